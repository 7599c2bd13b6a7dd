"""JSON from untrusted bytes, parsed strictly and once.

Refused: more bytes than the limit, text that is not UTF-8, duplicate keys (two readers could see
two files), NaN and infinities, numbers beyond a float's range, nesting beyond the interpreter's
stack. Nothing but dict, list, str, int, float, bool and None can come out.
"""

from __future__ import annotations

import json
import math
from typing import Any

from drift.artifacts.errors import ArtifactError, shown

REMEDY = "The file is damaged or was not written by a known tool; fetch it again."


class _RefusedError(ValueError):
    """A construct that the parser met and that is not allowed."""


def parse(data: bytes, *, place: str, limit: int) -> Any:
    """The value that `data` holds; `limit` bounds its length in bytes."""
    if len(data) > limit:
        raise ArtifactError(
            place, found=f"{len(data)} bytes of JSON", expected=f"at most {limit}", remedy=REMEDY
        )
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            place, found=_reason(error), expected="strict JSON in UTF-8", remedy=REMEDY
        ) from error


def canonical(value: Any) -> str:
    """One spelling per value: sorted keys, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"the key {shown(key)} twice in one object")
            seen.add(key)
    return result


def _constant(name: str) -> float:
    raise _RefusedError(f"the number {name}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _RefusedError(f"the number {shown(text)}, beyond the range of a float")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nesting deeper than the parser's stack"
    if isinstance(error, UnicodeDecodeError):
        return f"a byte that is not UTF-8 at offset {error.start}"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, _RefusedError):
        return str(error)
    return "a number with too many digits"
