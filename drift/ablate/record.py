"""The record of a table: every run with what it measured, and the moments that give each figure.

One JSON file a table (`drift-ablation/1`), its components and its picture beside it. Figures are
those of the kept moments; comparisons follow from the figures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import load, save

from drift import atomic
from drift.ablate import compared, picture, running, training
from drift.ablate.compared import Comparison
from drift.ablate.tables import TEMPLATE, Row, Table
from drift.config import fingerprint
from drift.evaluate import fid
from drift.evaluate.proxy import AXIS
from drift.reproduce.store import Done
from drift.state.environment import code_digest

SCHEMA = "drift-ablation/1"
FIGURE = "fid_proxy"
COMPONENTS = ".components.safetensors"
REFERENCE = ("reference_mu", "reference_sigma")
OF_ALL = ("extractor", "judge_sha256", "samples", "steps")

Arrays = dict[str, NDArray[Any]]
Runs = Mapping[tuple[str, int], Done]


def write(
    folder: Path, table: Table, budget: Sequence[str], seeds: Sequence[int], runs: Runs
) -> dict[str, Any]:
    """Write record, components and picture of a table whose runs (row, seed) are all done."""
    record, components = made(table, budget, seeds, runs)
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(folder / record["components"]["file"], components)
    figures = dict[str, list[float]]()
    for run in record["runs"]:
        figures.setdefault(run["row"], []).append(run[FIGURE])
    strips = {row.name: runs[row.name, seeds[0]].folder / training.PICTURE for row in table.rows}
    atomic.write_bytes(folder / f"{table.name}.png", picture.draw(table, figures, strips))
    text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False)
    atomic.write_text(folder / f"{table.name}.json", text + "\n")
    return record


def made(
    table: Table, budget: Sequence[str], seeds: Sequence[int], runs: Runs
) -> tuple[dict[str, Any], bytes]:
    """The record of a table, and the bytes of its components."""
    arrays, figures, entries = dict[str, NDArray[Any]](), dict[str, list[float]](), []
    for row in table.rows:
        for seed in seeds:
            done = runs[row.name, seed]
            own = load((done.folder / training.MOMENTS).read_bytes())
            arrays |= {name: own.pop(name) for name in REFERENCE}
            arrays |= {f"{row.name}/{seed}/{name}": array for name, array in own.items()}
            figures.setdefault(row.name, []).append(distance(arrays, row.name, seed))
            entries.append({**_entry(row, done), FIGURE: figures[row.name][-1]})
    components = save(arrays)
    record = {
        "schema": SCHEMA,
        "table": table.name,
        "title": table.title,
        "at": table.at,
        "fact": table.fact,
        "axis": AXIS,
        "figure": FIGURE,
        "template": TEMPLATE,
        "budget": list(budget),
        "seeds": list(seeds),
        **_of_all(runs),
        "code_sha256": code_digest(),
        "rows": [_row(row, tuple(budget)) for row in table.rows],
        "runs": entries,
        "comparisons": [one.as_dict() for one in compared.comparisons(table, figures)],
        "components": {
            "file": f"{table.name}{COMPONENTS}",
            "sha256": hashlib.sha256(components).hexdigest(),
        },
    }
    return record, components


def distance(arrays: Mapping[str, NDArray[Any]], row: str, seed: int) -> float:
    """The Frechet distance that the kept moments of a run give."""
    ours, real = (
        fid.Moments(arrays[f"{place}mu"].astype(float), arrays[f"{place}sigma"].astype(float), 0)
        for place in (f"{row}/{seed}/", "reference_")
    )
    return fid.frechet(ours, real)


def lines(record: Mapping[str, Any]) -> list[str]:
    """What a record says, a comparison a line."""
    return [_line(Comparison(**one), record["at"]) for one in record["comparisons"]]


def _line(one: Comparison, at: str) -> str:
    reach = "" if one.interval is None else f" [{one.interval[0]:.3g}, {one.interval[1]:.3g}]"
    return (
        f"{one.second} / {one.first}: {FIGURE} x {one.ratio:.3g}{reach} over {one.seeds} seeds: "
        f"{one.verdict} ({at}) [{AXIS}]"
    )


def _row(row: Row, budget: tuple[str, ...]) -> dict[str, Any]:
    template = running.template_of(row, budget)
    return {
        "name": row.name, "paper": row.paper, "settings": list(row.settings), "kernel": row.kernel,
        "template_fingerprint": fingerprint(template),
    }  # fmt: skip


def _entry(row: Row, done: Done) -> dict[str, Any]:
    found = running.facts_of(done)
    own = {name: value for name, value in found.items() if name not in OF_ALL}
    if own["teacher_sha256"] is None:  # the loss compares pixels
        del own["teacher_sha256"]
    return {"row": row.name, **own, "key": done.key}


def _of_all(runs: Runs) -> dict[str, Any]:
    """What is the same for all runs of a table, or they would not compare."""
    first, *others = [running.facts_of(done) for done in runs.values()]
    for other in others:
        different = [name for name in OF_ALL if other[name] != first[name]]
        if different:
            raise RuntimeError(f"runs of one table differ in {', '.join(different)}")
    return {name: first[name] for name in OF_ALL}
