"""Whether models compute right where they are to be served."""
