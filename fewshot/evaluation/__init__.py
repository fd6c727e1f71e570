"""The judge: metrics, estimates without a test set, the comparison runner, speed and size, plots, the report page.

It cannot import a method.
"""
