"""Learning curves, and what more labels would bring."""
