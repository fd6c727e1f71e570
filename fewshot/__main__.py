"""``python -m fewshot``: the same as the command ``fewshot``."""
