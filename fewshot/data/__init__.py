"""Texts and labels: loading, cleaning, describing, splitting and slicing them. Knows no model."""
