"""Texts and labels to a fitted classifier: one contract, one module a method, one kind of folder on disk."""
