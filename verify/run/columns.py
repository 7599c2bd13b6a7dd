"""Clauses of kind `config`: a template's field against the value a fact states for its column.

The comparison is between parsed values of the file a user will run and the cited fact. There is no
second copy of the expected values anywhere in code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from verify.outcome import Outcome, Reason
from verify.run.results import FalsifierRun, Verdict
from verify.spec.model import Clause, Fact
from verify.spec.pack import LoadedPack


class _Absent:
    """No value at all: equal to nothing that a file or a fact could state."""

    def __repr__(self) -> str:
        return "no such field"


ABSENT = _Absent()


@dataclass(frozen=True)
class Departure:
    """A template field that is not what the fact says for its column."""

    clause: str
    field: str
    column: str
    found: Any
    expected: Any
    fact: str
    locator: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.field}: found {self.found!r}, expected {self.expected!r} "
            f"({self.fact}, {self.locator}; {self.clause})"
        )


def templates(loaded: LoadedPack) -> dict[str, Any]:
    """The parsed template of each column that the manifest names."""
    manifest = loaded.pack.manifest
    return {
        column: loaded.documents[path].value
        for column, path in manifest.templates.items()
        if column in manifest.columns and path in loaded.documents
    }


def expected_value(fact: Fact, column: str, columns: tuple[str, ...]) -> Any:
    """The fact's value for a column: by column where it is stated so, else one for all."""
    by_column = isinstance(fact.value, dict) and set(columns) <= set(fact.value)
    return fact.value[column] if by_column else fact.value


def look_up(template: Any, field: str) -> Any:
    """Value at a dotted path, or ABSENT."""
    value = template
    for part in field.split("."):
        if not isinstance(value, dict) or part not in value:
            return ABSENT
        value = value[part]
    return value


def same(found: Any, expected: Any) -> bool:
    """Equality of plain data in which a truth value is not a number, but 2 is 2.0."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        return set(found) == set(expected) and all(same(found[k], expected[k]) for k in found)
    return bool(found == expected)


def departure(clause: Clause, loaded: LoadedPack, column: str, template: Any) -> Departure | None:
    """How a template departs from one config clause on a column, or None."""
    assert clause.field is not None  # guaranteed by the model for config clauses
    assert clause.fact is not None
    fact = loaded.pack.fact(clause.fact)
    assert fact is not None  # guaranteed by lint
    expected = expected_value(fact, column, loaded.pack.manifest.columns)
    found = look_up(template, clause.field)
    if same(found, expected):
        return None
    return Departure(
        clause.id, clause.field, column, found, expected, clause.fact, fact.at, clause.remedy
    )


def judge(clause: Clause, loaded: LoadedPack, by_column: Mapping[str, Any]) -> Verdict:
    """The clause on every column; the first departing column is named."""
    if not by_column:
        reason = "the pack names no column templates"
        return Verdict(Outcome.NOT_APPLICABLE, reason, Reason.NO_COLUMN)
    departures = [
        found
        for column, template in by_column.items()
        if (found := departure(clause, loaded, column, template))
    ]
    if departures:
        details = {
            "departures": [f"{item.column}: {item}" for item in departures],
            "places": [_place(item, loaded) for item in departures],
        }
        return Verdict(
            Outcome.FAIL,
            f"column {departures[0].column}: {departures[0]}",
            measured=float(len(departures)),
            unit="columns",
            details=details,
        )
    return Verdict(
        Outcome.PASS,
        f"{clause.field} agrees with {clause.fact} on {', '.join(by_column)}",
        measured=0.0,
        unit="columns departing",
    )


def _place(item: Departure, loaded: LoadedPack) -> dict[str, str | int]:
    """Where in its template a field departs; of one that is missing, where it would belong."""
    file = loaded.pack.manifest.templates[item.column]
    line, _ = loaded.documents[file].locate(tuple(item.field.split(".")))
    return {"file": file, "line": line}


def falsify(
    clause: Clause, loaded: LoadedPack, by_column: Mapping[str, Any]
) -> Iterator[FalsifierRun]:
    """Change one field of one column's template at a time; each change must turn the clause red."""
    assert clause.field is not None
    for falsifier in clause.falsifiers:
        changed_any = False
        for column, template in by_column.items():
            right = look_up(template, clause.field)
            wrong = falsifier.arguments["value"] if falsifier.arguments else changed(right)
            if same(right, wrong):
                continue  # the wrong value of another column may be right here
            changed_any = True
            mutated = {**by_column, column: replaced(template, clause.field, wrong)}
            label = f"{falsifier.label}[{column}]"
            yield FalsifierRun(clause.id, label, judge(clause, loaded, mutated))
        if not changed_any:
            reason = "the mutant changes no column's template: it is the right value everywhere"
            verdict = Verdict(Outcome.ERROR, reason, Reason.CHECK_RAISED)
            yield FalsifierRun(clause.id, falsifier.label, verdict)


def changed(value: Any) -> Any:
    """A different value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + max(1, abs(value))
    if isinstance(value, str):
        return f"not-{value}"
    if isinstance(value, list):
        return [changed(value[0]), *value[1:]] if value else ["one more"]
    if isinstance(value, dict) and value:
        first = next(iter(value))
        return {**value, first: changed(value[first])}
    return "something"


def replaced(template: Any, field: str, value: Any) -> Any:
    """A copy of the template with one leaf changed; the rest is shared."""
    head, _, rest = field.partition(".")
    inner = template.get(head, {}) if isinstance(template, dict) else {}
    return {**template, head: replaced(inner, rest, value) if rest else value}
