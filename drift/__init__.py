"""Training and evaluation engine for drifting models (arXiv 2602.04770)."""

__version__ = "0.1.0"
