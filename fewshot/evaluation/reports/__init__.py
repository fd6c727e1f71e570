"""The page, its sentences and tables, two comparisons side by side."""
