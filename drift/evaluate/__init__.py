"""Figures of generated samples, each with its axis, definition, interval and provenance."""

from drift.evaluate.baselines import class_gaussians
from drift.evaluate.figures import Figure
from drift.evaluate.proxy import Report, evaluate_digits

__all__ = ["Figure", "Report", "class_gaussians", "evaluate_digits"]
