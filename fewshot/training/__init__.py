"""What the training of teachers and of students share: pairwise losses, batches, the trainer, seeds."""
