"""Checks on evaluation records: a figure counts only with its whole provenance.

A record is a JSON file, schema drift-evaluation/1. It declares its axis, and is held against what
that axis demands: a record on paper-eval with raw weights is a contradiction, not a weaker number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from verify.api import CheckContext, Measurement, check, mutant

SCHEMA = "drift-evaluation/1"
MAX_BYTES = 1 << 20
FIELDS = {
    "schema": str,
    "axis": str,
    "column": str,
    "metrics": dict,
    "samples": int,
    "seeds": list,
    "alpha": float,
    "weights": str,
    "extractor": str,
    "extractor_sha256": str,
    "statistics_sha256": str,
    "checkpoint_sha256": str,
    "template_fingerprint": str,
}


class RecordError(Exception):
    """A record that cannot be used; the message names file, field, found and expected."""


def load_records(folder: Path) -> list[dict[str, Any]]:
    """All records of a folder, each checked field by field."""
    return [_read(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []


@check("evaluation.fid")
def fid(ctx: CheckContext) -> Measurement:
    """FID of a column above the paper's, from a record on the paper-eval axis."""
    column = str(ctx.params["column"])
    expected = ctx.fact("paper:results.fid")[column]
    try:
        records = [r for r in load_records(ctx.evidence_dir) if r["column"] == column]
    except RecordError as error:
        return ctx.decide(False, str(error))
    paper_eval = [record for record in records if record["axis"] == "paper-eval"]
    for record in paper_eval:
        contradiction = _contradiction(ctx, record)
        if contradiction:
            return ctx.decide(False, contradiction)
    if not paper_eval:
        weaker = ", ".join(sorted({record["axis"] for record in records}))
        have = f"only on {weaker}" if weaker else "none at all"
        return ctx.missing(
            f"no evaluation record of column {column} on the paper-eval axis ({have}); needed: "
            f"{ctx.fact('paper:evaluation.samples')} samples of EMA weights"
        )
    best = min(record["metrics"]["fid"] for record in paper_eval)
    reason = f"FID {best} against the paper's {expected} (release: "
    reason += f"{ctx.fact('reference:results.fid')[column]})"
    details = {"fid": best, "paper": expected, "records": len(paper_eval)}
    unit = "FID above the paper's"
    return ctx.judge(best - expected, reason, unit=unit, axis="paper-eval", details=details)


def _contradiction(ctx: CheckContext, record: dict[str, Any]) -> str | None:
    """What a record that declares paper-eval fails to be."""
    wanted = {
        "weights": ctx.fact("reference:evaluation.weights"),
        "extractor": ctx.fact("reference:evaluation.extractor"),
    }
    for field, value in wanted.items():
        if record[field] != value:
            return f"declares paper-eval, but {field} is {record[field]!r}; expected {value!r}"
    samples = ctx.fact("paper:evaluation.samples")
    if record["samples"] < samples:
        return f"declares paper-eval, but has {record['samples']} samples; expected {samples}"
    return None


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_BYTES:
        raise RecordError(f"{path.name}: found {path.stat().st_size} bytes, expected a record")
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise RecordError(f"{path.name}: found text that is not JSON ({error})") from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise RecordError(f"{path.name}: expected an object with schema {SCHEMA}")
    for field, kind in FIELDS.items():
        if type(record.get(field)) is not kind:
            found = type(record.get(field)).__name__
            raise RecordError(f"{path.name}: {field}: found {found}, expected {kind.__name__}")
        if field.endswith("_sha256") and not re.fullmatch(r"[0-9a-f]{64}", record[field]):
            raise RecordError(f"{path.name}: {field}: expected 64 hexadecimal digits")
    value = record["metrics"].get("fid")
    if not isinstance(value, float) or not math.isfinite(value) or value < 0:
        raise RecordError(f"{path.name}: metrics.fid: found {value!r}, expected a number >= 0")
    return record


@mutant("evaluation.worse")
@contextmanager
def worse(subject: object) -> Iterator[None]:
    """The figure is one FID worse than recorded."""
    original = load_records

    def worsened(folder: Path) -> list[dict[str, Any]]:
        return [
            {**record, "metrics": {**record["metrics"], "fid": record["metrics"]["fid"] + 1.0}}
            for record in original(folder)
        ]

    with patch(f"{__name__}.load_records", worsened):
        yield


@mutant("evaluation.mislabelled")
@contextmanager
def mislabelled(subject: object, *, field: str, value: Any) -> Iterator[None]:
    """A record says paper-eval although one of its conditions does not hold."""
    original = load_records
    changed = {field: value}
    with patch(f"{__name__}.load_records", lambda folder: [r | changed for r in original(folder)]):
        yield
