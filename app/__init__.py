"""The service: the fine-tuned GPT-2 and the base it came from, side by side over HTTP."""

__version__ = "0.1.0"
