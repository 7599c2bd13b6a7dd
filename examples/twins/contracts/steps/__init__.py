"""STEPS: the C twin against the reference, step by step."""
