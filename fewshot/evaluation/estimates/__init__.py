"""Scores without a test set: held-out answers inside the labels, with an interval."""
