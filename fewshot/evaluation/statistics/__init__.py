"""What is chance in a comparison: summaries over seeds, contrasts of methods, classes, agreement."""
