"""Large to small: targets that a teacher gives, students, and the training that brings one to the other."""
