"""The judge: metrics, the comparison runner, speed and size, plots, the report page. It cannot import a method."""
