"""HTTP routes: requests in, the parts called, responses out."""
