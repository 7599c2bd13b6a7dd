"""Recorded cases: `NAME.safetensors` holds the arrays, `NAME.json` all that is known of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from verify.numeric.stages import Comparison
from verify.problems import IntegrityError

__all__ = ["SCHEMA", "Case", "compare", "read_case"]

SCHEMA = "verify/case/1"  # what `verify record` writes; other recordings have a layout of their own
Tolerance = Mapping[str, float] | Callable[[str], float]


@dataclass(frozen=True)
class Case:
    """One recorded case: `NAME.json` and the arrays of `NAME.safetensors` as they are stored."""

    name: str
    meta: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    @property
    def stages(self) -> list[str]:
        """The recorded intermediates and results, in the order of computation."""
        return list(self.meta["stages"])

    def group(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The arrays under `prefix/`, without it."""
        lead = prefix.rstrip("/") + "/"
        return {k.removeprefix(lead): v for k, v in self.arrays.items() if k.startswith(lead)}

    def tolerance(self, stage: str) -> float:
        """What `verify record` measured for a stage; absolute."""
        return float(self.meta["tolerance"]["absolute"][stage])


def read_case(path: Path) -> Case:
    """`golden/NAME.safetensors` (or `.json`) as given by `CheckContext.spec_file`.

    Raises IntegrityError where the arrays are not those that NAME.json was written for.
    """
    from safetensors.numpy import load

    tensors = path.with_name(f"{path.stem}.safetensors").read_bytes()
    meta = json.loads(path.with_name(f"{path.stem}.json").read_text(encoding="utf-8"))
    if meta.get("schema") == SCHEMA:
        _require_digest(path.stem, tensors, str(meta.get("sha256")))
    return Case(path.stem, meta, load(tensors))


def _require_digest(name: str, tensors: bytes, expected: str) -> None:
    found = hashlib.sha256(tensors).hexdigest()
    if found != expected:
        raise IntegrityError(
            f"{name}.safetensors: found the digest {found[:12]}...; expected {expected[:12]}... "
            f"of {name}.json; remedy: record the case again with verify record --replace"
        )


def compare(
    case: Case,
    got: Mapping[str, Any],
    tolerance: Tolerance | None = None,
    stages: Iterable[str] | None = None,
    *,
    dtypes: Mapping[str, str] | None = None,
) -> Comparison:
    """Hold `got` against the case's arrays, stage by stage in the case's order.

    got        stage name -> tensor or array, under the names of `stages`
    tolerance  by stage, absolute; a mapping or a function; without one, `case.tolerance`
    stages     which to compare; all by default; each has to be in the recorded file
    dtypes     stage name -> what it has to be of
    """
    rule = case.tolerance if tolerance is None else tolerance
    allowed = rule if callable(rule) else rule.__getitem__
    comparison = Comparison()
    for stage in case.stages if stages is None else stages:
        dtype = (dtypes or {}).get(stage, "")
        comparison.hold(stage, got.get(stage), case.arrays[stage], allowed(stage), dtype=dtype)
    return comparison
