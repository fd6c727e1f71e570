"""Classifiers of vectors: what sits on an encoder, how sure it may be, and what it remembers. No text comes here."""
