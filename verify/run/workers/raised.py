"""Whether an exception that left a check is a finding about the code under test (DEC-0310).

A check that calls the code under test without expecting an exception says by it that the input is
one the code takes. What the code then raises is a finding, as of an implementation from elsewhere.
What the check, a mutant or an import raises says nothing about the code.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

from verify.spec.places import CONTRACTS, name_of, named
from verify.spec.sources import of_pack


def by_the_code(error: BaseException, code: Sequence[str], root: Path) -> str | None:
    """What the code under test raised, where, and on what; None where it was not the code.

    code  places as the manifest names them; the innermost frame that is of the pack or of the
          code says whose exception it is, whatever library it went through
    """
    if not isinstance(error, Exception) or isinstance(error, ImportError):
        return None
    frames = traceback.extract_tb(error.__traceback__)
    if any(frame.name == "<module>" for frame in frames):
        return None  # an import: the check has not called anything yet
    places = [place for name in code if (place := named(root, name)) is not None]
    checks = root / CONTRACTS
    of_either = [frame for frame in frames if _below(frame, (checks, *places))]
    if of_either and _below(of_either[-1], (checks,)):  # none of a code that lies around them
        places = [place for place in places if place.is_relative_to(checks)]
    if not of_either or not _below(of_either[-1], places):
        return None
    path = Path(of_either[-1].filename)
    at = f"{name_of(path, root)}:{of_either[-1].lineno}"
    said = [f"the code under test raised {type(error).__name__} at {at}: {error}"]
    return "; ".join([*said, *getattr(error, "__notes__", ())])


def _below(frame: traceback.FrameSummary, places: Sequence[Path]) -> bool:
    return any(frame.filename == str(one) or of_pack(frame.filename, one) for one in places)
