"""SCHEDULE: Learning-rate schedule."""
