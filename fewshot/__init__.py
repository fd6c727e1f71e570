"""From a handful of labelled texts to a small, fast, honest text classifier."""

__version__ = "0.1.0"
