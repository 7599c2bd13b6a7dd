"""One bundle: its files as sealed, its report, and what a measurement came to over several."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from verify.problems import IntegrityError, UsageError
from verify.report.bundle import manifest_of
from verify.report.model import Report
from verify.serve.catalogue import Bundle
from verify.serve.header import REPORT
from verify.serve.reading import inside, read
from verify.serve.refusal import Refusal, shown

MOST = 64 << 20  # bytes of a file
OPEN = 4  # reports that are kept parsed
MEASURED = 512  # bundles whose measurements are kept
PRIVATE = frozenset({"env.json", "commands.txt"})  # of the machine and the shell that ran it
Value = TypeVar("Value")


@dataclass(frozen=True)
class Point:
    """What one bundle says of one clause."""

    outcome: str
    measured: float | None
    share: float | None  # of the tolerance
    unit: str
    statement: str


class Kept(Generic[Value]):
    """Values made from bundles, the last used ones; made again when a bundle's stamp changes."""

    def __init__(self, make: Callable[[Bundle], Value], most: int) -> None:
        self._make, self._most = make, most
        self._kept: OrderedDict[tuple[str, tuple[int, int]], Value] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, bundle: Bundle) -> Value:
        key = (bundle.slug, bundle.stamp)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._make(bundle)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return self._kept[key]


def file_of(bundle: Bundle, name: str) -> bytes:
    """A file of the bundle's manifest, as its digest says; raises Refusal for any other."""
    try:
        digest = manifest_of(bundle.path).get(name)
        if digest is None or name in PRIVATE:
            raise Refusal(404, "file", found=shown(name), expected="a file of the manifest")
        data = read(inside(bundle.path, name), MOST)
    except (OSError, ValueError, UsageError, IntegrityError):
        raise Refusal(
            409, "file", found="a file or manifest that cannot be read", expected="a sealed bundle",
            remedy="verify bundle check names what is wrong",
        ) from None  # fmt: skip
    if hashlib.sha256(data).hexdigest() != digest:
        raise Refusal(
            409, "file", found="another content than the manifest states",
            expected="the bundle as it was sealed", remedy="verify bundle check",
        )  # fmt: skip
    return data


def report_of(bundle: Bundle) -> Report:
    """The report as it was sealed."""
    return _reports(bundle)


def points_of(bundle: Bundle) -> dict[str, Point]:
    """Clause to what was measured; empty for a bundle that cannot be read."""
    return _points(bundle)


def trends(bundles: Sequence[Bundle]) -> dict[str, list[Point | None]]:
    """Clause with a number to its points, one a bundle in the order given."""
    read_ones = [points_of(bundle) for bundle in bundles]
    names = sorted({n for one in read_ones for n, p in one.items() if p.measured is not None})
    return {name: [one.get(name) for one in read_ones] for name in names}


def _read_report(bundle: Bundle) -> Report:
    data = file_of(bundle, REPORT)
    try:
        return Report.model_validate_json(data)
    except ValidationError:
        raise Refusal(
            409, "report", found=f"a report of verify {bundle.header.verify or '?'}",
            expected="one that this version reads",
        ) from None  # fmt: skip


def _read_points(bundle: Bundle) -> dict[str, Point]:
    try:
        clauses = json.loads(file_of(bundle, REPORT))["clauses"]
        return {one["id"]: _point(one) for one in clauses}
    except (Refusal, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _point(clause: dict[str, Any]) -> Point:
    measured = _number(clause["measured"])
    allowed = _number(clause["tolerance"]["value"])
    share = measured / allowed if measured is not None and allowed else None
    outcome, unit, statement = (str(clause[k]) for k in ("outcome", "unit", "statement"))
    return Point(outcome, measured, share, unit, statement)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


_reports = Kept(_read_report, OPEN)
_points = Kept(_read_points, MEASURED)
