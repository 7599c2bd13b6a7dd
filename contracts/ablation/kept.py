"""A record of an ablation, held against its components and against the settings that it names.

Nothing of a record is believed that follows from something else: figures follow from moments,
verdicts from figures, and which setting a run had from its template and its loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from drift.ablate.compared import OPEN, words
from drift.ablate.tables import TABLES, TEMPLATE, Table
from drift.config import Template, fingerprint, load_template, override
from drift.errors import DriftError
from verify import strict_json
from verify.api import CheckContext, Measurement

from ..evaluation import components
from ..evaluation.components import RecordError

SCHEMA, FIGURE, AXIS = "drift-ablation/1", "fid_proxy", "proxy"
MOST_BYTES, MISMATCH = 1 << 20, 1.0e-6
WIDTH = components.WIDTHS["drift-mae-layer4-pca64"]
LEVEL = 0.95

Record = dict[str, Any]
Arrays = Mapping[str, Any]
Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Trained:
    """What a table's templates say: of all runs, and a fingerprint a row.

    taught  whether an encoder is in the loss
    """

    steps: int
    samples: int
    taught: bool
    fingerprints: Mapping[str, str]


@cache
def trained(table: Table) -> Trained:
    """Read once a process: every clause asks it of every record and of every mistake in one."""
    plain = _under(table.budget)
    templates = {row.name: override(plain, row.settings) for row in table.rows}
    return Trained(
        plain.optimizer.training_steps, plain.evaluation.samples, plain.loss.feature_taps != "none",
        {name: fingerprint(template) for name, template in templates.items()},
    )  # fmt: skip


@cache
def _under(budget: tuple[str, ...]) -> Template:
    return override(load_template(TEMPLATE), budget)


def figures_of(ctx: CheckContext) -> tuple[Record, Figures] | Measurement:
    """(record, row -> a figure a seed) of the table that the clause names, or why there is none."""
    table = TABLES[str(ctx.params["table"])]
    path = ctx.evidence_dir / "ablations" / f"{table.name}.json"
    if not path.is_file():
        return ctx.missing(
            f"no {path.name}; `drift ablate {table.name} --records {path.parent}` makes it"
        )
    try:
        record = read(path)
        arrays = components.read_arrays(path, record, "components")
        problem = next(problems(ctx, record, table), None)
        if problem is None:
            problem = next(_wrong_figures(record, arrays), None)
    except (RecordError, DriftError, KeyError, TypeError, ValueError, AttributeError) as error:
        return ctx.decide(False, f"{path.name}: {type(error).__name__}: {error}")
    if problem:
        return ctx.decide(False, f"{path.name}: {problem}")
    seeds = sorted(record["seeds"])
    of = {(run["row"], run["seed"]): float(run[FIGURE]) for run in record["runs"]}
    return record, {row.name: [of[row.name, seed] for seed in seeds] for row in table.rows}


def read(path: Path) -> Record:
    """The JSON of a record; ValueError for what two readers could take differently."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes, at most {MOST_BYTES}")
    found: Record = strict_json.loads(path.read_bytes())
    return found


def problems(ctx: CheckContext, record: Record, table: Table) -> Iterator[str]:
    """Where a record is not about the settings it names, or about fewer runs than are asked for."""
    wanted = {
        "schema": SCHEMA, "table": table.name, "axis": AXIS, "figure": FIGURE,
        "template": TEMPLATE, "budget": list(table.budget),
        "steps": trained(table).steps, "samples": trained(table).samples,
    }  # fmt: skip
    for name, value in wanted.items():
        if record[name] != value:
            yield f"{name}: found {record[name]!r}, expected {value!r}"
    seeds, least = record["seeds"], int(ctx.params["seeds"])
    if len(set(seeds)) < max(least, 2) or len(set(seeds)) != len(seeds):
        yield f"seeds: found {seeds}, expected at least {least}, each once"
    yield from _rows(ctx, record, table)
    yield from _runs(record, table)


def _rows(ctx: CheckContext, record: Record, table: Table) -> Iterator[str]:
    """The rows are the table's, with their settings, in the order of the paper's figures."""
    for row, stated in zip(table.rows, record["rows"], strict=True):
        wanted = {
            "name": row.name, "paper": row.paper, "settings": list(row.settings),
            "kernel": row.kernel, "template_fingerprint": trained(table).fingerprints[row.name],
        }  # fmt: skip
        for name, value in wanted.items():
            if stated[name] != value:
                yield f"{row.name}: {name}: found {stated[name]!r}, expected {value!r}"
    if table.ordered:
        figures = ctx.fact(f"paper:{table.fact}")
        assert isinstance(figures, dict)
        stated = [row["paper"] for row in record["rows"]]
        order = sorted(stated, key=lambda name: float(str(figures[name])))
        if stated != order:
            yield f"rows stand as {stated}; the paper's figures rise as {order}"


def _runs(record: Record, table: Table) -> Iterator[str]:
    """One run a row and seed, each trained with the template and the loss of its row."""
    wanted = [(row.name, seed) for seed in record["seeds"] for row in table.rows]
    found = [(run["row"], run["seed"]) for run in record["runs"]]
    if sorted(found) != sorted(wanted):
        yield f"{len(set(found))} runs, expected one a row and seed, {len(wanted)}"
    stated, taught = {row["name"]: row for row in record["rows"]}, trained(table).taught
    for run in record["runs"]:
        row = stated[run["row"]]
        marks = [f"variant of the loss: {row['kernel']}"] if row["kernel"] != "plain" else []
        for name in ("kernel", "template_fingerprint"):
            if run[name] != row[name]:
                yield f"{run['row']}, seed {run['seed']}: {name} {run[name]!r}, not its row's"
        if run["diagnostic"] != marks:
            yield f"{run['row']}, seed {run['seed']}: marked {run['diagnostic']}, expected {marks}"
        if ("teacher_sha256" in run) is not taught:
            yield f"{run['row']}, seed {run['seed']}: the encoder of its loss is not as its table's"
        elif taught and run["teacher_sha256"] in (None, record["judge_sha256"]):
            yield f"{run['row']}, seed {run['seed']}: taught by the encoder that judges it"
    keys = [run["key"] for run in record["runs"]]
    if len(set(keys)) < len(keys):
        yield "two runs have one key"


def _wrong_figures(record: Record, arrays: Arrays) -> Iterator[str]:
    """Figures that their moments do not give; moments that are missing, misshapen or a copy."""
    seen: dict[bytes, str] = {}
    for run in record["runs"]:
        place = f"{run['row']}/{run['seed']}"
        moments = {
            name: arrays.get(key)
            for name, key in (
                ("mu", f"{place}/mu"), ("sigma", f"{place}/sigma"),
                ("reference_mu", "reference_mu"), ("reference_sigma", "reference_sigma"),
            )
        }  # fmt: skip
        for name, array in moments.items():
            shape = (WIDTH, WIDTH) if name.endswith("sigma") else (WIDTH,)
            if array is None or array.shape != shape or array.dtype != "float32":
                yield f"{place}: no {name} of shape {list(shape)}, float32, among the components"
                return
        again = _distance(**{name: moments[name].tobytes() for name in moments})  # type: ignore[union-attr]
        if not abs(run[FIGURE] - again) <= MISMATCH * (1.0 + abs(again)) or not again > 0:
            yield f"{place}: {FIGURE} is {run[FIGURE]}, its components give {again}"
        own = b"".join(moments[name].tobytes() for name in ("mu", "sigma"))  # type: ignore[union-attr]
        if own in seen:
            yield f"{place} has the moments of {seen[own]}: one run under two names"
        seen[own] = place


@cache
def _distance(**moments: bytes) -> float:
    """FID-proxy of float32 moments; clauses and mistakes ask for the same ones over and over."""
    import numpy as np

    arrays = {name: np.frombuffer(one, np.float32) for name, one in moments.items()}
    wide = {f"{FIGURE}/{k}": v.reshape(-1, WIDTH).squeeze() for k, v in arrays.items()}
    return components.scores_of(wide)[FIGURE]


def log_ratio(figures: Figures, first: str, second: str) -> tuple[float, float]:
    """Mean over seeds of log(second / first), and half of its paired 95 % interval (Student's t).

    Half is infinite where all seeds differ by the same: no spread to compare with.
    """
    from scipy.special import stdtrit

    logs = [math.log(b / a) for a, b in zip(figures[first], figures[second], strict=True)]
    count, mean = len(logs), math.fsum(logs) / len(logs)
    spread = math.sqrt(math.fsum((one - mean) ** 2 for one in logs) / (count - 1))
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * spread / math.sqrt(count)
    return mean, half or math.inf


def verdict(table: str, mean: float, half: float) -> str:
    """What an interval of log(second / first) says of two rows of a table."""
    first, second = words(TABLES[table])
    if abs(mean) <= half:
        return OPEN
    return first if mean > 0 else second


def stated_verdict(record: Record, first: str, second: str) -> str | None:
    """The verdict that a record states of two rows."""
    with suppress(KeyError, TypeError, StopIteration):
        one = next(c for c in record["comparisons"] if (c["first"], c["second"]) == (first, second))
        return str(one["verdict"])
    return None
