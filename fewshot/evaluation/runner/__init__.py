"""The runner: contests, what each gave, and the folder in which it is kept."""
