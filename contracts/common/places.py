"""A place for files that a check writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["folder"]


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder that is gone afterwards."""
    with TemporaryDirectory() as name:
        yield Path(name)
