"""Trained classifiers made smaller and faster: graphs that run without torch, and weights of fewer bits."""
