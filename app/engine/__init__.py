"""Prompt in, tokens out: the server's side of it, and the process that a model runs in."""
