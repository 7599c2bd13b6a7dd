"""What is wrong with real samples."""

from __future__ import annotations

from drift.errors import DriftError


class DataError(DriftError):
    """Real samples that are missing, damaged or not what they are said to be."""
