"""Messages that speak of an emergency or the like, and what must be said before any answer."""
