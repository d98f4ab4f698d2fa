"""What the search for published answers is worth."""
