"""What a worker answers: a check's measurement as bounded, printable JSON, and back as a verdict.

A check is foreign code: whatever it returns, the evidence stays finite, valid and of bounded size.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from verify.api import Measurement
from verify.attest.backing import read_backing
from verify.outcome import Axis, Outcome, Reason
from verify.provenance import provenance
from verify.run.results import Basis, Verdict

TEXT_LIMIT = 2000  # characters of a reason
DETAILS_LIMIT = 256 << 10  # bytes of JSON
NODES_LIMIT = 50_000
DEPTH_LIMIT = 24
FILES_LIMIT = 16 << 20  # bytes of one answer's files together

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_CHECKS_MAY_SAY = (Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE)
_LEFT_OUT = "(left out)"


def encode(measurement: Measurement) -> dict[str, Any]:
    """A measurement as JSON data; raises TypeError or ValueError where it is nonsense."""
    outcome = Outcome(measurement.outcome)
    if outcome not in _CHECKS_MAY_SAY:
        raise ValueError(f"a check cannot say {outcome}; it says {', '.join(_CHECKS_MAY_SAY)}")
    measured = number(measurement.measured)
    if outcome is Outcome.PASS and isinstance(measured, str):
        raise ValueError(f"a pass with a measured value of {measured}")
    if not isinstance(measurement.details, Mapping):
        raise TypeError(f"details are a {type(measurement.details).__name__}, not a mapping")
    details = _bounded(plain(measurement.details))
    files, left_out = _files(measurement.files)
    if left_out:
        details["files_left_out"] = left_out
    return {
        "outcome": outcome,
        "reason": text(measurement.reason),
        "cause": Reason(measurement.cause),
        "measured": measured,
        "unit": text(measurement.unit),
        "axis": None if measurement.axis is None else Axis(measurement.axis),
        "provenance": provenance(measurement.provenance).known(),
        "details": details,
        "files": files,
        "backing": [asdict(one) for one in measurement.backing],
    }


def broken(cause: Reason, reason: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answer for a check that judged nothing."""
    kind = Outcome.UNKNOWN if cause is Reason.DEPENDENCY_MISSING else Outcome.ERROR
    answer = encode(Measurement(Outcome.UNKNOWN, reason, cause=cause, details=details or {}))
    return {**answer, "outcome": kind}


def subject_lost(kind: str, said: str) -> dict[str, Any]:
    """The answer where a foreign subject gave none: a finding, or nothing judged."""
    outcome, cause = {
        "hung": (Outcome.TIMEOUT, Reason.TIME_BUDGET),
        "memory": (Outcome.ERROR, Reason.MEMORY_BUDGET),
        "gone": (Outcome.ERROR, Reason.WORKER_DIED),
    }.get(kind, (Outcome.FAIL, Reason.JUDGED))
    answer = encode(Measurement(Outcome.UNKNOWN, said, cause=cause, details={"subject": kind}))
    return {**answer, "outcome": outcome}


def too_large(memory_mb: int) -> Verdict:
    """The verdict of a check that used more memory than its clause allows."""
    return Verdict(Outcome.ERROR, over_budget(memory_mb), Reason.MEMORY_BUDGET)


def over_budget(memory_mb: int) -> str:
    """Why a check was stopped for its memory, and what mends it."""
    return (
        f"the check needs more than its budget of {memory_mb} MB; remedy: use less, or raise "
        "budget.memory_mb of the clause"
    )


def decode(answer: Mapping[str, Any]) -> Verdict:
    """The verdict that an answer states."""
    return Verdict(
        outcome=Outcome(answer["outcome"]),
        reason=answer["reason"],
        cause=Reason(answer["cause"]),
        measured=answer["measured"],
        unit=answer["unit"],
        axis=answer["axis"],
        provenance=provenance(answer["provenance"]),
        details=answer["details"],
        files={name: base64.b64decode(data) for name, data in answer["files"].items()},
        elapsed_s=answer["elapsed_s"],
        peak_mb=answer["peak_mb"],
        basis=_basis(answer.get("touched", {})),
        backing=read_backing(answer["backing"]),
    )


def _basis(touched: Mapping[str, Any]) -> Basis:
    """What a worker says that it imported and read; nothing where it says nothing."""
    return Basis(
        imports=frozenset(map(str, touched.get("imports", ()))),
        reads=frozenset(map(str, touched.get("reads", ()))),
        hidden=frozenset(map(str, touched.get("hidden", ()))),
        children=bool(touched.get("children")),
        evaluations=bool(touched.get("evaluations")),
    )


def restate(verdict: Verdict) -> dict[str, Any]:
    """The answer that `decode` reads as this verdict."""
    return {
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "cause": verdict.cause,
        "measured": verdict.measured,
        "unit": verdict.unit,
        "axis": verdict.axis,
        "provenance": verdict.provenance.known(),
        "details": dict(verdict.details),
        "files": _as_text(verdict.files),
        "backing": [asdict(one) for one in verdict.backing],
        "elapsed_s": verdict.elapsed_s,
        "peak_mb": verdict.peak_mb,
    }


def text(value: object, limit: int = TEXT_LIMIT) -> str:
    """One printable line: no escapes for terminals, no lone surrogates, no endless sentences."""
    if not isinstance(value, str):
        raise TypeError(f"found a {type(value).__name__} where a text belongs")
    line = " ".join(value[: 4 * limit].split())
    line = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def plain(value: Any) -> Any:
    """JSON values only; what JSON cannot say (nan, infinities, other types) becomes text."""
    return _Plain().convert(value, 0)


class _Plain:
    """A conversion with a budget, so that cycles and giants come to an end."""

    def __init__(self) -> None:
        self._left = NODES_LIMIT

    def convert(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > DEPTH_LIMIT:
            return _LEFT_OUT
        if hasattr(value, "tolist"):  # numbers and arrays of numpy and torch
            value = value.tolist()
        if isinstance(value, str):
            return value.encode("utf-8", "replace").decode("utf-8")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int(value) if value.bit_length() <= 64 else f"about 2**{value.bit_length()}"
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(float(value))
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._list(value, depth)
        return text(str(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        converted: dict[str, Any] = {}
        for key, item in value.items():
            if self._left < 0:
                converted[_LEFT_OUT] = len(value) - len(converted)
                break
            converted[text(str(key))] = self.convert(item, depth + 1)
        return converted

    def _list(self, value: Any, depth: int) -> list[Any]:
        converted: list[Any] = []
        for item in value:
            if self._left < 0:
                converted.append(_LEFT_OUT)
                break
            converted.append(self.convert(item, depth + 1))
        return converted


def number(value: Any) -> float | str | None:
    """What was measured; a text where it is not finite. Raises TypeError for what is no number."""
    if value is None:
        return None
    found = plain(value)
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        return found
    try:
        if not isinstance(found, bool):
            return str(float(found))  # nan and infinities, which arrive as text
    except (TypeError, ValueError):
        pass
    raise TypeError(f"measured is a {type(value).__name__}, not a number")


def _bounded(details: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(details))
    if size <= DETAILS_LIMIT:
        return details
    advice = f"{size} bytes of details, more than {DETAILS_LIMIT}; remedy: hand them over as files"
    return {"left_out": advice}


def _files(files: Mapping[str, bytes]) -> tuple[dict[str, str], str]:
    if not isinstance(files, Mapping):
        raise TypeError(f"files are a {type(files).__name__}, not a mapping of names to bytes")
    for name, data in files.items():
        if not isinstance(name, str) or not _FILE_NAME.match(name):
            raise ValueError(f"{name!r} is no plain file name")
        if not isinstance(data, bytes):
            raise TypeError(f"the file {name} is a {type(data).__name__}, not bytes")
    size = sum(map(len, files.values()))
    if size > FILES_LIMIT:
        return {}, f"{size} bytes of files, more than {FILES_LIMIT}"
    return _as_text(files), ""


def _as_text(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(data).decode("ascii") for name, data in files.items()}
