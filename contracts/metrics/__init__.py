"""METRICS: Metrics are what they are called, on samples that are what they are called."""
