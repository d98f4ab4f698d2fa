"""Measurements, each a table of ratios against a named baseline in the same run."""
