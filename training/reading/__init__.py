"""A fine-tuned model learns to read: a passage stands before the answer that repeats it."""
