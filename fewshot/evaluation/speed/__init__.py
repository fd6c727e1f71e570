"""Speed: models that take turns under one clock, what their turns come to, and their answers side by side."""
