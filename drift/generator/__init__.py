"""The DiT generator of drifting models (paper A.2; method.md section 5)."""

from drift.generator.config import GeneratorConfig
from drift.generator.model import Generator

__all__ = ["Generator", "GeneratorConfig"]
