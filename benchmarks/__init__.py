"""Measurements, each a table of ratios against a named baseline in the same run."""

import app  # noqa: F401 - first of all: it says how OpenMP's threads wait
