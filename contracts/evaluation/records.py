"""Checks on evaluation records: a figure counts only with its whole provenance.

A record is a JSON file, schema drift-evaluation/1, with its components beside it. It declares its
axis, and is held against what that axis demands: a record on paper-eval with raw weights is a
contradiction, not a weaker number. Scores are computed again from the components by code of this
module, not by the engine's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from verify import strict_json
from verify.api import Backing, CheckContext, Measured, Measurement, above, check, measured, mutant

from . import components
from .components import FID_NAMES, RecordError

SCHEMA = "drift-evaluation/1"
MAX_BYTES = 1 << 20
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
OPTIONAL = (str, type(None))
FIELDS: dict[str, tuple[type, ...]] = {
    "schema": (str,),
    "axis": (str,),
    "column": OPTIONAL,
    "metrics": (dict,),
    "samples": (int,),
    "seeds": (list,),
    "alpha": (float, int, type(None)),
    "weights": OPTIONAL,
    "labels": (str,),
    "resize": (str,),
    "rounding": (str,),
    "extractor": (str,),
    "extractor_sha256": (str,),
    "statistics_sha256": (str,),
    "checkpoint_sha256": OPTIONAL,
    "template_fingerprint": OPTIONAL,
    "bypasses": (list,),
    "selected_from": (int,),
    "components": (dict,),
}
PAPER_EVAL, REPO_EVAL = "paper-eval", "repo-eval"
# Records that agree in these differ in their seeds alone.
ONE_WAY = ("axis", "checkpoint_sha256", "alpha", "labels", "statistics_sha256", "samples")


def load_records(folder: Path) -> list[dict[str, Any]]:
    """All records of a folder, each checked field by field; `path` is where it lies."""
    if not folder.is_dir():
        return []
    return [read_record(path) | {"path": str(path)} for path in sorted(folder.glob("*.json"))]


@check("evaluation.fid")
def fid(ctx: CheckContext) -> Measurement:
    """FID of a column above the paper's, from records on the paper-eval axis."""
    judged = _judged(ctx, (PAPER_EVAL,))
    if isinstance(judged, Measurement):
        return judged
    column, worst = ctx.params["column"], _worst(judged)
    paper, release = (ctx.fact(f"{who}:results.fid")[column] for who in ("paper", "reference"))
    return ctx.judge(
        above(worst, measured(paper, "external", "fid", place="paper:results.fid")),
        f"FID {worst.value} against the paper's {paper} (release: {release})",
        unit="FID above the paper's",
        axis=judged[0]["axis"],
        details={"fid": worst.value, "paper": paper, **_counted(judged)},
        provenance=_provenance(judged),
        backing=_backing(ctx, judged),
    )


@check("evaluation.repo_fid")
def repo_fid(ctx: CheckContext) -> Measurement:
    """FID of a column on repo-eval or better, beside nobody's figure."""
    judged = _judged(ctx, (PAPER_EVAL, REPO_EVAL))
    if isinstance(judged, Measurement):
        return judged
    worst, axis = _worst(judged).value, judged[0]["axis"]
    return ctx.judge(
        worst,
        f"FID {worst} of {ctx.params['column']} on {axis}",
        unit="FID",
        axis=axis,
        details={"fid": worst, **_counted(judged)},
        provenance=_provenance(judged),
        backing=_backing(ctx, judged),
    )


def _judged(ctx: CheckContext, axes: tuple[str, ...]) -> list[dict[str, Any]] | Measurement:
    """The records of a column that are judged together, or why there is nothing to judge.

    They are evaluations of one checkpoint in one way, with one seed or several; of such groups the
    one with most seeds counts, then with most samples, then with the worst figure: never the best,
    and never the one whose file is read first.
    """
    column = str(ctx.params["column"])
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    try:
        records = [r for r in load_records(ctx.evidence_dir) if r["column"] == column]
        for record in (r for r in records if r["axis"] in axes):
            problem = _contradiction(ctx, record) or components.problem_of(record)
            if problem:
                return ctx.decide(False, f"{Path(record['path']).name}: {problem}")
            groups.setdefault(tuple(record[name] for name in ONE_WAY), []).append(record)
    except RecordError as error:
        return ctx.decide(False, str(error))
    if not groups:
        weaker = ", ".join(sorted({record["axis"] for record in records}))
        have = f"only on {weaker}" if weaker else "none at all"
        needed = "" if REPO_EVAL in axes else f"{ctx.fact('paper:evaluation.samples')} "
        return ctx.missing(
            f"no evaluation record of column {column} on the {axes[-1]} axis ({have}); needed: "
            f"{needed}samples of EMA weights"
        )
    chosen = max(
        groups.values(),
        key=lambda group: (len(_seeds(group)), group[0]["samples"], _worst(group).value),
    )
    untraced = _untraced(ctx, chosen)
    return ctx.missing(untraced) if untraced else chosen


def _worst(group: list[dict[str, Any]]) -> Measured[Any]:
    """The worst FID of a group: a tolerance has to hold for every seed."""
    return max(_fid_of(record) for record in group)


def _counted(group: list[dict[str, Any]]) -> dict[str, Any]:
    selected = max(record["selected_from"] for record in group)
    return {"records": len(group), "selected_from": selected}


def _seeds(group: list[dict[str, Any]]) -> set[int]:
    """A copy of components under another seed is no further seed."""
    drawn: dict[str, list[int]] = {}
    for record in group:
        drawn.setdefault(record["components"]["sha256"], record["seeds"])
    return {seed for seeds in drawn.values() for seed in seeds}


def _provenance(group: list[dict[str, Any]]) -> dict[str, int | str | None]:
    """What stands behind a group's figure; a record that does not say its step is of none."""
    steps = {record.get("step") for record in group}
    step = steps.pop() if len(steps) == 1 else None
    return {
        "samples": min(record["samples"] for record in group),
        "seeds": len(_seeds(group)),
        "steps": step if type(step) is int else None,
        "extractor_sha256": group[0]["extractor_sha256"],
    }


@check("evaluation.recomputed")
def recomputed(ctx: CheckContext) -> Measurement:
    """Every record of the evidence folder gives its scores again from its components."""
    try:
        records = load_records(ctx.evidence_dir)
        problems = {Path(r["path"]).name: components.problem_of(r) for r in records}
    except RecordError as error:
        return ctx.decide(False, str(error))
    if not records:
        return ctx.missing("no evaluation records; `drift eval RUN --out FILE` writes one")
    for name, problem in problems.items():
        if problem:
            return ctx.decide(False, f"{name}: {problem}")
    again = {name for record in records for name in components.recomputed_names(record)}
    left = {name for record in records for name in record["metrics"]} - again
    return ctx.decide(
        True,
        f"{len(records)} records: {', '.join(sorted(again))} computed again, with intervals and "
        f"baselines; not computed again: {', '.join(sorted(left)) or 'none'}",
    )


def _fid_of(record: dict[str, Any]) -> Measured[Any]:
    """The record's FID on its axis: it compares with no number on another one."""
    value = record["metrics"]["fid"]["value"]
    return measured(value, record["axis"], "fid", place=Path(record["path"]).name)


def _contradiction(ctx: CheckContext, record: dict[str, Any]) -> str | None:
    """What a record fails to be that its axis demands."""
    declares = f"declares {record['axis']}, but"
    wanted = {
        "weights": ctx.fact("reference:evaluation.weights"),
        "extractor": ctx.fact("reference:evaluation.extractor"),
        "extractor_sha256": ctx.params["extractor_sha256"],
        "resize": ctx.fact("reference:evaluation.resize"),
        "rounding": ctx.fact("reference:evaluation.rounding"),
        "bypasses": [],
    }
    if record["axis"] == PAPER_EVAL:
        wanted["labels"] = "balanced"  # of 1,000 classes: the composition of the validation labels
    for field, value in wanted.items():
        if record[field] != value:
            return f"{declares} {field} is {record[field]!r}; expected {value!r}"
    for field in ("checkpoint_sha256", "template_fingerprint"):
        if record[field] is None:
            return f"{declares} {field} is unknown"
    if "fid" not in record["metrics"]:
        return f"{declares} has no metrics.fid"
    if record["template_fingerprint"] not in _fingerprints(record["column"]):
        return f"{declares} template_fingerprint is not that of the template of {record['column']}"
    return _not_the_papers(ctx, record) if record["axis"] == PAPER_EVAL else None


@cache
def _fingerprints(column: str) -> tuple[str, ...]:
    """Of the column's own template: a free or closest-feasible run under its name is no evidence.

    A copy has the same one whatever it is called (DEC-0221).
    """
    from drift.config import fingerprint, load_template, template_names

    shipped = [load_template(name) for name in template_names()]
    own = (one for one in shipped if (one.column, one.fidelity) == (column, "faithful"))
    return tuple(fingerprint(one) for one in own)


def _not_the_papers(ctx: CheckContext, record: dict[str, Any]) -> str | None:
    """What a record on paper-eval lacks beside the protocol."""
    if record["statistics_sha256"] not in ctx.params["statistics_sha256"]:
        return (
            f"declares paper-eval, but statistics_sha256 is {record['statistics_sha256']}; "
            f"pinned: {ctx.params['statistics_sha256'] or 'none yet (DEC-0114)'}"
        )
    samples = ctx.fact("paper:evaluation.samples")
    if record["samples"] < samples:
        return f"declares paper-eval, but has {record['samples']} samples; expected {samples}"
    return None


def _untraced(ctx: CheckContext, group: list[dict[str, Any]]) -> str | None:
    """Why nothing ties these components to samples.

    Arrays can be typed as figures can. Digits are drawn again from weights that are kept (RUN-007);
    at this scale neither weights nor samples lie beside the record, so somebody whose key is in the
    pack has to say that they come from a run (DEC-0305).
    """
    unsigned = ctx.unsigned(_backing(ctx, group))
    if not unsigned:
        return None
    return (
        f"{unsigned}; figures agree with their components, but nothing ties these to samples, so "
        "they back no claim; needed: a record signed by who measured it (`verify sign RECORD`)"
    )


def _backing(ctx: CheckContext, group: list[dict[str, Any]]) -> tuple[Backing, ...]:
    return ctx.backing([Path(record["path"]) for record in group], "fid")


def read_record(path: Path) -> dict[str, Any]:
    """A record, checked field by field; raises RecordError."""
    if path.stat().st_size > MAX_BYTES:
        raise RecordError(f"{path.name}: found {path.stat().st_size} bytes, expected a record")
    try:
        record = strict_json.loads(path.read_bytes())
    except ValueError as error:
        raise RecordError(f"{path.name}: found text that is not JSON ({error})") from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise RecordError(f"{path.name}: expected an object with schema {SCHEMA}")
    for field, kinds in FIELDS.items():
        if field not in record or type(record[field]) not in kinds:
            found = type(record[field]).__name__ if field in record else "nothing"
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise RecordError(f"{path.name}: {field}: found {found}, expected {expected}")
        digest = field.endswith("_sha256") and record[field] is not None
        if digest and not SHA256.match(record[field]):
            raise RecordError(f"{path.name}: {field}: expected 64 hexadecimal digits")
    for name, figure in record["metrics"].items():
        _require_figure(f"{path.name}: metrics.{name}", figure)
    for place, figure in components.beside(path.name, record):
        _require_figure(place, figure)
    return record


def _require_figure(place: str, figure: Any) -> None:
    if not isinstance(figure, dict):
        raise RecordError(f"{place}: found {type(figure).__name__}, expected a figure")
    value, interval = figure.get("value"), figure.get("interval")
    numbers: list[Any] = [value, *interval] if isinstance(interval, list) else [value]
    good = len(numbers) == 3 and all(
        isinstance(x, float | int) and not isinstance(x, bool) and math.isfinite(x) for x in numbers
    )
    if not good or not numbers[1] <= numbers[0] <= numbers[2]:
        raise RecordError(
            f"{place}: found {value!r} in {interval!r}, expected a finite value in its interval"
        )
    for key in ("definition", "interval_method", "count"):
        if not figure.get(key):
            raise RecordError(f"{place}: found no {key}, expected it with every figure")


@mutant("evaluation.worse")
@contextmanager
def worse(subject: object, *, by: float = 1.0) -> Iterator[None]:
    """The figure is one FID worse than recorded, or `by` more, with components that agree."""
    with (
        _changed(lambda record: _with_fid(record, by)),
        patch.object(components, "problem_of", lambda record: None),
    ):
        yield


@mutant("evaluation.edited")
def edited(subject: object) -> AbstractContextManager[Any]:
    """A score was edited by a hundredth of a per cent; the components were not."""

    def shifted(record: dict[str, Any]) -> dict[str, Any]:
        metrics = dict(record["metrics"])
        for name in FID_NAMES:
            if name in metrics:
                metrics[name] = metrics[name] | {"value": metrics[name]["value"] * 0.9999}
        return record | {"metrics": metrics}

    return _changed(shifted)


@mutant("evaluation.mislabelled")
def mislabelled(subject: object, *, field: str, value: Any) -> AbstractContextManager[Any]:
    """A record says paper-eval although one of its conditions does not hold."""
    return _changed(lambda record: record | {field: value})


def _with_fid(record: dict[str, Any], more: float) -> dict[str, Any]:
    metrics = dict(record["metrics"])
    if "fid" in metrics:
        metrics["fid"] = metrics["fid"] | {"value": metrics["fid"]["value"] + more}
    return record | {"metrics": metrics}


def _changed(change: Any) -> AbstractContextManager[Any]:
    original = load_records
    return patch(f"{__name__}.load_records", lambda folder: [change(r) for r in original(folder)])
