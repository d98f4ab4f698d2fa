"""The classifier of red flags: what it learns from, and how it is fitted."""
