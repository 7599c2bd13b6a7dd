"""Mistakes in kept records that the verdicts have to notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from drift.ablate.compared import OPEN, words
from drift.ablate.tables import TABLES
from verify.api import mutant

from ..evaluation import components
from . import kept
from .kept import FIGURE, Record

Arrays = dict[str, Any]


@contextmanager
def _changed(
    record: Callable[[Record], Record] = lambda record: record,
    arrays: Callable[[Arrays, Record], Arrays] = lambda arrays, record: arrays,
) -> Iterator[None]:
    """Records, and their components, as they would read."""
    read, read_arrays = kept.read, components.read_arrays

    def changed(path: Any, of: Record, part: str) -> Arrays:
        return arrays(read_arrays(path, of, part), of)

    with (
        patch.object(kept, "read", lambda path: record(read(path))),
        patch.object(components, "read_arrays", changed),
    ):
        yield


def _each_run(record: Record, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Record:
    return record | {"runs": [run | change(run) for run in record["runs"]]}


@mutant("ablation.typed")
def typed(subject: object) -> AbstractContextManager[Any]:
    """Every figure of the first setting was typed a tenth better; the moments were not."""

    def change(record: Record) -> Record:
        first = record["rows"][0]["name"]
        return _each_run(
            record, lambda run: {FIGURE: run[FIGURE] * 0.9} if run["row"] == first else {}
        )

    return _changed(change)


@mutant("ablation.verdict_typed")
def verdict_typed(subject: object) -> AbstractContextManager[Any]:
    """Each verdict of the record is another one; its figures are not."""

    def change(record: Record) -> Record:
        other = {OPEN: words(TABLES[record["table"]])[0]}
        stated = [one | {"verdict": other.get(one["verdict"], OPEN)}
                  for one in record["comparisons"]]  # fmt: skip
        return record | {"comparisons": stated}

    return _changed(change)


@mutant("ablation.component_removed")
def component_removed(subject: object) -> AbstractContextManager[Any]:
    """The moments of one run are not kept."""

    def change(arrays: Arrays, record: Record) -> Arrays:
        gone = next(name for name in sorted(arrays) if name.endswith("/mu"))
        return {name: array for name, array in arrays.items() if name != gone}

    return _changed(arrays=change)


@mutant("ablation.one_run_thrice")
def one_run_thrice(subject: object) -> AbstractContextManager[Any]:
    """All seeds of a setting have the figures and the moments of the first."""

    def place(name: str, seed: int) -> str:
        row, _, rest = name.partition("/")
        return name if not rest else f"{row}/{seed}/{rest.partition('/')[2]}"

    def moments(arrays: Arrays, record: Record) -> Arrays:
        return {name: arrays[place(name, record["seeds"][0])] for name in arrays}

    def change(record: Record) -> Record:
        first = {run["row"]: run[FIGURE] for run in record["runs"]
                 if run["seed"] == record["seeds"][0]}  # fmt: skip
        return _each_run(record, lambda run: {FIGURE: first[run["row"]]})

    return _changed(change, moments)


@mutant("ablation.one_seed")
def one_seed(subject: object) -> AbstractContextManager[Any]:
    """Only the first seed was run."""

    def change(record: Record) -> Record:
        seeds = record["seeds"][:1]
        runs = [run for run in record["runs"] if run["seed"] in seeds]
        return record | {"seeds": seeds, "runs": runs}

    return _changed(change)


@mutant("ablation.settings_swapped")
def settings_swapped(subject: object) -> AbstractContextManager[Any]:
    """What the first and the last setting change is exchanged; their names are not."""

    def change(record: Record) -> Record:
        rows = record["rows"]
        names = {rows[0]["name"]: rows[-1], rows[-1]["name"]: rows[0]}
        own = ("settings", "kernel", "template_fingerprint")
        swapped = [row | {k: names.get(row["name"], row)[k] for k in own} for row in rows]
        as_row = {row["name"]: row for row in swapped}
        marks: dict[str, list[str]] = {"plain": []}
        return _each_run(
            record | {"rows": swapped},
            lambda run: {
                "kernel": as_row[run["row"]]["kernel"],
                "template_fingerprint": as_row[run["row"]]["template_fingerprint"],
                "diagnostic": marks.get(
                    as_row[run["row"]]["kernel"],
                    [f"variant of the loss: {as_row[run['row']]['kernel']}"],
                ),
            },
        )

    return _changed(change)


@mutant("ablation.taught_by_the_judge")
def taught_by_the_judge(subject: object) -> AbstractContextManager[Any]:
    """The encoder in the loss of every run is the one that judges it."""

    def change(record: Record) -> Record:
        return _each_run(record, lambda run: {"teacher_sha256": record["judge_sha256"]})

    return _changed(change)


@mutant("ablation.order_turned")
def order_turned(subject: object) -> AbstractContextManager[Any]:
    """The figures and moments of the settings are exchanged, the best for the worst."""

    def other(record: Record) -> dict[str, str]:
        names = [row["name"] for row in record["rows"]]
        return dict(zip(names, reversed(names), strict=True))

    def moments(arrays: Arrays, record: Record) -> Arrays:
        names = other(record)
        return {_renamed(name, names): array for name, array in arrays.items()}

    def change(record: Record) -> Record:
        names = other(record)
        figures = {(run["row"], run["seed"]): run[FIGURE] for run in record["runs"]}
        turned = _each_run(record, lambda run: {FIGURE: figures[names[run["row"]], run["seed"]]})
        return turned | {"comparisons": _verdicts(turned)}

    return _changed(change, moments)


def _renamed(name: str, names: dict[str, str]) -> str:
    row, slash, rest = name.partition("/")
    return f"{names[row]}{slash}{rest}" if slash else name


def _verdicts(record: Record) -> list[dict[str, Any]]:
    """The comparisons of a record as its figures have them: this mistake is not in the verdict."""
    figures: dict[str, list[float]] = {}
    for run in sorted(record["runs"], key=lambda run: int(run["seed"])):
        figures.setdefault(run["row"], []).append(run[FIGURE])
    return [
        one | {"verdict": kept.verdict(record["table"], *_ratio(figures, one))}
        for one in record["comparisons"]
    ]


def _ratio(figures: kept.Figures, one: dict[str, Any]) -> tuple[float, float]:
    return kept.log_ratio(figures, one["first"], one["second"])
