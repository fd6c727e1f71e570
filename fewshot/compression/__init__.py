"""Smaller and faster forms of trained classifiers: exported, quantized, pruned."""
