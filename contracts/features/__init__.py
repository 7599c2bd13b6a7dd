"""FEATURES: The dictionary of features, the second encoder, and the loss of samples."""
