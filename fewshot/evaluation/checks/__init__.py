"""Numbered checks of a comparison, each with its evidence."""
