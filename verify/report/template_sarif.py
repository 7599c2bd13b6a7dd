"""SARIF of `verify template`: each departing field at its line of the user's own file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from verify import __version__, clock
from verify.report.sarif import Rule, document, location, result, rule
from verify.run.columns import Departure
from verify.run.evidence import describe
from verify.run.faithful import Comparison
from verify.spec.model import Severity
from verify.spec.pack import LoadedPack
from verify.spec.strict_yaml import Document

BESIDE = Rule(
    "TEMPLATE-BESIDE",
    "A file that is faithful to a column has no other keys than its template, and says so.",
    "Remove the key, correct it, or declare the deviation.",
    "config",
    Severity.BLOCKER,
    (),
)


def render(
    loaded: LoadedPack, found: Sequence[tuple[Document, Comparison, bool]], code: int
) -> str:
    """One run over all files; `good` of each says whether its declared deviations pass."""
    clauses = {one["id"]: one for one in describe(loaded) if one["kind"] == "config"}
    rules = [BESIDE, *(_rule(one) for one in clauses.values())]
    index = {one.id: number for number, one in enumerate(rules)}
    results = [
        one
        for file, comparison, good in found
        if not good
        for one in _results(file, comparison, rules, index, clauses, loaded.root)
    ]
    now = f"{clock.now():%Y-%m-%dT%H:%M:%S}.000Z"
    invocation = {
        "executionSuccessful": True, "exitCode": code, "startTimeUtc": now, "endTimeUtc": now,
    }  # fmt: skip
    texts = [rule(one) for one in rules]
    return document(__version__, texts, results, invocation, {"pack": loaded.pack.manifest.pack})


def _rule(described: Mapping[str, Any]) -> Rule:
    return Rule(**{one.name: described[one.name] for one in fields(Rule)})


def _results(
    file: Document,
    comparison: Comparison,
    rules: Sequence[Rule],
    index: Mapping[str, int],
    clauses: Mapping[str, Mapping[str, Any]],
    root: Path,
) -> Iterator[dict[str, Any]]:
    uri = below_the_repository(Path(file.file))

    def at(clause: Rule, path: str, said: str) -> dict[str, Any]:
        line, _ = file.locate(tuple(path.split(".")))
        places = [location(uri, line)]
        if clause.id in clauses:
            stated = clauses[clause.id]
            places.append(location(below_the_repository(root / stated["file"]), stated["line"]))
        name = f"{clause.id} {uri} {path}"
        return result(clause, index[clause.id], said, name, places)

    departures: tuple[Departure, ...] = (*comparison.departures, *comparison.declared)
    for one in departures:
        yield at(rules[index[one.clause]], one.field, f"{one} Remedy: {one.remedy}")
    for misfit in comparison.misfits:
        yield at(BESIDE, misfit.field, f"{misfit} Remedy: {misfit.remedy}")
    for text in comparison.stale:
        yield at(BESIDE, "deviations", f"stale declaration: {text}")


def below_the_repository(path: Path) -> str:
    """A path as a URI relative to the repository that holds it, else to the working directory."""
    path = path.absolute()
    for folder in path.parents:
        if (folder / ".git").exists():
            return quote(path.relative_to(folder).as_posix())
    here = Path.cwd()
    return quote(path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name)
