"""Mistakes with lengths; each breaks the subject on purpose and undoes it."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from verify.api import mutant

from ..subjects import Example


@mutant("length.factor")
def factor(subject: Any, *, by: float) -> Any:
    """Another inch, in both directions: a context manager, made with what the falsifier says."""
    return patch.multiple(subject, factor=by, factor_back=by)


@mutant("length.rounded", Example, "to_millimetres")
def rounded(real: Any, self: Example, inches: float) -> float:
    """What is called in place of a function gets that function first."""
    return float(round(real(self, inches), 1))


OTHER_VALUES = (
    # Only one direction was corrected.
    mutant("length.one_way", Example, factor_back=25.0),
)
