"""What a request passes before a route sees it: one concern a file."""
