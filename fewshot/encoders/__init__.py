"""Texts to vectors: one protocol, and the encoders that keep it. Knows no label."""
