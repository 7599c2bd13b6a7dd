"""Mistakes in kept records that the verdicts have to notice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from verify.api import mutant

from ..evaluation import components
from . import kept
from .kept import FIGURE, Record

Change = Callable[[Record], Record]


def _changed(change: Change) -> AbstractContextManager[Any]:
    """Records as they would read; their components stay as they are."""
    real = kept.read
    return patch.object(kept, "read", lambda path: change(real(path)))


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
        other = {kept.OPEN: kept.AS_PAPER}
        stated = [one | {"verdict": other.get(one["verdict"], kept.OPEN)}
                  for one in record["comparisons"]]  # fmt: skip
        return record | {"comparisons": stated}

    return _changed(change)


@mutant("ablation.component_removed")
def component_removed(subject: object) -> AbstractContextManager[Any]:
    """The moments of one run are not kept."""
    real = components.read_arrays

    def read(*given: Any) -> dict[str, Any]:
        arrays = real(*given)
        gone = next(name for name in sorted(arrays) if name.endswith("/mu"))
        return {name: array for name, array in arrays.items() if name != gone}

    return patch.object(components, "read_arrays", read)


@mutant("ablation.one_run_thrice")
def one_run_thrice(subject: object) -> AbstractContextManager[Any]:
    """All seeds of a setting have the figures and the moments of the first."""
    return _as_of_first_seed()


@contextmanager
def _as_of_first_seed() -> Any:
    real = components.read_arrays

    def place(name: str, seed: int) -> str:
        row, _, rest = name.partition("/")
        return name if not rest else f"{row}/{seed}/{rest.partition('/')[2]}"

    def read(path: Any, record: Any, part: str) -> dict[str, Any]:
        arrays, first = real(path, record, part), record["seeds"][0]
        return {name: arrays[place(name, first)] for name in arrays}

    def change(record: Record) -> Record:
        first = {run["row"]: run[FIGURE] for run in record["runs"]
                 if run["seed"] == record["seeds"][0]}  # fmt: skip
        return _each_run(record, lambda run: {FIGURE: first[run["row"]]})

    with ExitStack() as stack:
        stack.enter_context(patch.object(components, "read_arrays", read))
        stack.enter_context(_changed(change))
        yield


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


@mutant("ablation.order_turned")
def order_turned(subject: object) -> AbstractContextManager[Any]:
    """The figures and moments of the settings are exchanged, the best for the worst."""
    return _turned()


@contextmanager
def _turned() -> Any:
    real = components.read_arrays

    def other(record: Record) -> dict[str, str]:
        names = [row["name"] for row in record["rows"]]
        return dict(zip(names, reversed(names), strict=True))

    def read(path: Any, record: Any, part: str) -> dict[str, Any]:
        names = other(record)
        return {_renamed(name, names): array for name, array in real(path, record, part).items()}

    def change(record: Record) -> Record:
        names = other(record)
        figures = {(run["row"], run["seed"]): run[FIGURE] for run in record["runs"]}
        turned = _each_run(record, lambda run: {FIGURE: figures[names[run["row"]], run["seed"]]})
        return turned | {"comparisons": _verdicts(turned)}

    with ExitStack() as stack:
        stack.enter_context(patch.object(components, "read_arrays", read))
        stack.enter_context(_changed(change))
        yield


def _renamed(name: str, names: dict[str, str]) -> str:
    row, slash, rest = name.partition("/")
    return f"{names[row]}{slash}{rest}" if slash else name


def _verdicts(record: Record) -> list[dict[str, Any]]:
    """The comparisons of a record as its figures have them: this mistake is not in the verdict."""
    figures: dict[str, list[float]] = {}
    for run in sorted(record["runs"], key=lambda run: int(run["seed"])):
        figures.setdefault(run["row"], []).append(run[FIGURE])
    return [
        one | {"verdict": kept.verdict(*kept.log_ratio(figures, one["first"], one["second"]))}
        for one in record["comparisons"]
    ]
