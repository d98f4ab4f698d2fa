"""Published questions and answers, and what must be said before any answer."""
