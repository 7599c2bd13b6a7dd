"""Mistakes with lengths; each breaks the subject on purpose and undoes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from verify.api import mutant


@mutant("length.factor")
@contextmanager
def factor(subject: Any, *, by: float) -> Iterator[None]:
    """Another inch, in both directions."""
    with patch.multiple(subject, factor=by, factor_back=by):
        yield


@mutant("length.one_way")
@contextmanager
def one_way(subject: Any) -> Iterator[None]:
    """Only one direction was corrected."""
    with patch.object(subject, "factor_back", 25.0):
        yield
