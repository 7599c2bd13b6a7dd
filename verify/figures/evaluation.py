"""Evaluation records as a promotion and a ranking read them: labelled numbers, their provenance.

A record is a JSON object with `axis`, `metrics` (name -> {value}), `samples`, `seeds`, `step`,
`checkpoint_sha256`, `extractor_sha256`, `bypasses` and `components` (file, sha256). What made it is
the pack's business; so is computing a score again from its components, which a clause does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify import strict_json
from verify.figures.axes import Measured, measured
from verify.problems import UsageError
from verify.provenance import Provenance, provenance

MAX_BYTES = 16 << 20
_REMEDY = "remedy: name a record as the evaluation wrote it"


@dataclass(frozen=True)
class EvaluationRecord:
    """A record with the digest of its file."""

    path: Path
    sha256: str
    data: Mapping[str, Any]

    def number(self, metric: str) -> Measured[Any]:
        """A metric on the record's axis.

        Raises AxisError for a record that names no axis, UsageError where the metric is missing.
        """
        figure = self._mapping("metrics").get(metric)
        value = figure.get("value") if isinstance(figure, dict) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            found = "no such metric" if figure is None else f"{value!r}"
            raise UsageError(
                f"{self.path}: metrics.{metric}.value: found {found}; expected a number; {_REMEDY}"
            )
        known = self.provenance()
        return measured(
            value, self.data.get("axis"), metric, place=str(self.path), count=known.samples,
            seeds=self.seeds,
        )  # fmt: skip

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the samples."""
        given = self.data.get("seeds", [])
        whole = isinstance(given, list) and all(type(seed) is int for seed in given)
        if not whole:
            raise UsageError(f"{self.path}: seeds: found {given!r}; expected whole numbers")
        return tuple(given)

    def provenance(self) -> Provenance:
        """What stands behind its numbers; raises UsageError where that is malformed."""
        stated = {
            "steps": self.data.get("step"),
            "samples": self.data.get("samples"),
            "seeds": len(set(self.seeds)),
            "extractor_sha256": self.data.get("extractor_sha256"),
        }
        try:
            return provenance(stated)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{self.path}: found {error}; {_REMEDY}") from None

    @property
    def checkpoint(self) -> str | None:
        """Digest of what was evaluated."""
        found = self.data.get("checkpoint_sha256")
        return found if isinstance(found, str) else None

    @property
    def bypasses(self) -> tuple[str, ...]:
        """Gates that were passed by, in words; a record that does not tell is not without any."""
        found = self.data.get("bypasses", "the record names none, nor says that there are none")
        return tuple(map(str, found)) if isinstance(found, list) else (str(found),)

    @property
    def components(self) -> Mapping[str, Any]:
        """File and digest of the arrays its scores are computed from."""
        return self._mapping("components")

    def _mapping(self, name: str) -> Mapping[str, Any]:
        found = self.data.get(name)
        return found if isinstance(found, dict) else {}


def read_evaluation(path: Path) -> EvaluationRecord:
    """A record; raises UsageError for a file that is none."""
    try:
        if not path.is_file():  # a device or a pipe may never end
            raise UsageError(f"{path}: found no file; {_REMEDY}")
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: found more than {MAX_BYTES} bytes; {_REMEDY}")
        text = path.read_bytes()
        data = strict_json.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: found no JSON record ({error}); {_REMEDY}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: found a {type(data).__name__}; expected an object; {_REMEDY}")
    return EvaluationRecord(path, hashlib.sha256(text).hexdigest(), data)
