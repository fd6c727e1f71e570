"""Pictures: learning curves, heat maps, trees, trials, trainings."""
