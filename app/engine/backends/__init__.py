"""What does the arithmetic."""
