"""Other ways to do what the service does, a module each; the service needs none of them."""
