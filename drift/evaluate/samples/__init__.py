"""Samples to measure: drawn from weights, or given as a folder or a file."""
