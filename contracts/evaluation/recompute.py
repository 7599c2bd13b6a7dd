"""The figures of one evaluation record, computed again from what lies beside it.

From its components, by code that is not the engine's; and, where the weights are kept that drew the
samples (a trace), from samples that are drawn again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drift.config import fingerprint, load_template
from drift.errors import DriftError
from drift.evaluate import kept
from verify.api import Again, CheckContext, Measurement, recompute

from . import components, records

Arrays = Mapping[str, Any]
Figures = Mapping[str, Any]
NOTHING = "nothing is kept that it follows from"
COMPONENTS = "its components"
DRAWN = "samples drawn again"
# Of a value and one: a byte that another machine rounds otherwise (contracts/run/contract.yaml).
REDRAWN = 5.0e-3


@recompute("drift-evaluation/1")
def figures(ctx: CheckContext) -> Measurement:
    """Each figure of the run and of its baselines, recorded and computed again."""
    path = Path(ctx.params["record"])
    try:
        record = records.read_record(path) | {"path": str(path)}
        arrays = components.read_arrays(path, record, "components")
        found = dict(_from_components(record, arrays))
        if ctx.params["samples"] and record.get("trace"):
            found |= dict(_from_samples(path, record, arrays))
        problem = components.problem_of(record)
    except (components.RecordError, DriftError) as error:
        return ctx.decide(False, str(error))
    again = ctx.compared(found)
    return ctx.decide(False, problem, details=again.details) if problem else again


def _sides(record: Mapping[str, Any]) -> Iterator[tuple[str, str, Figures]]:
    """(label, prefix among the arrays, figures) of the run and of each baseline."""
    yield "", "", record["metrics"]
    for name, made in record.get("baselines", {}).items():
        yield f"{name}: ", f"baselines/{name}/", made["metrics"]


def _own(arrays: Arrays, prefix: str) -> dict[str, Any]:
    """The arrays of one side; a baseline is held against the run's reference."""
    if not prefix:
        return {key: array for key, array in arrays.items() if not key.startswith("baselines/")}
    shared = {key: array for key, array in arrays.items() if "/reference_" in key}
    mine = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
    return shared | mine


def _from_components(record: Mapping[str, Any], arrays: Arrays) -> Iterator[tuple[str, Again]]:
    for label, prefix, metrics in _sides(record):
        scores = components.scores_of(_own(arrays, prefix))
        for name, figure in metrics.items():
            again, value = scores.get(name), float(figure["value"])
            how = NOTHING if again is None else COMPONENTS
            allowed = components.MISMATCH * (1.0 + abs(value))
            yield f"{label}{name}", Again(value, again, allowed, how)


def _from_samples(
    path: Path, record: Mapping[str, Any], arrays: Arrays
) -> Iterator[tuple[str, Again]]:
    """The same figures, where the record is of the digits template as it is now."""
    template = load_template("digits")
    if record["template_fingerprint"] != fingerprint(template):
        return
    trace = components.read_arrays(path, record, "trace")
    drawn = kept.components(
        trace, template, count=record["samples"], seed=record["seeds"][0], alpha=record["alpha"]
    )
    shared = {key: array for key, array in arrays.items() if "/reference_" in key}
    sides = {prefix: (label, metrics) for label, prefix, metrics in _sides(record)}
    for prefix, again in drawn:
        label, recorded = sides[prefix]
        for name, score in components.scores_of(shared | again).items():
            value = float(recorded[name]["value"])
            allowed = REDRAWN * (1.0 + abs(value))
            yield f"{label}{name}, {DRAWN}", Again(value, score, allowed, DRAWN)
