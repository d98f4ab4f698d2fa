"""A model learns: what surrounds transformers' Trainer."""
