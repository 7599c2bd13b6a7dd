"""TRAIN: An optimisation step changes parameters as the release's does."""
