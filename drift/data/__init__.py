"""Real samples: where they come from and in which order a run sees them."""

from drift.data.digits import DigitsSource
from drift.data.loader import Loader
from drift.data.source import Source, TensorSource

__all__ = ["DigitsSource", "Loader", "Source", "TensorSource"]
