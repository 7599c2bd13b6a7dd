"""Sampling: load weights, draw samples in one forward pass each, decode, write."""

from drift.sample.loading import Loaded, Origin, SampleError, load
from drift.sample.sampler import Batch, Sampler, cycled, parse_classes

__all__ = [
    "Batch",
    "Loaded",
    "Origin",
    "SampleError",
    "Sampler",
    "cycled",
    "load",
    "parse_classes",
]
