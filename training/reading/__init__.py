"""A fine-tuned model learns to read: passages before the answer, some of them on other topics."""
