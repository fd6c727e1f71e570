"""Ground floor: errors, files that appear whole or not at all, progress, optional packages. Knows no text."""
