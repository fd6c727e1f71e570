"""Adaptation of an encoder to a domain by unlabelled texts alone: masked words, contrast by dropout, denoising."""
