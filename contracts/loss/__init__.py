"""LOSS: The drifting loss of one feature, and of a dictionary of features."""
