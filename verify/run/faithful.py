"""A whole file held against a column: every cited field, and nothing beside them that decides.

`verify template` and the gate of a run ask the same question here. A file is faithful where it
names the column itself, says that it is faithful, agrees in every cited field, and has, besides
those, what the pack's own template of the column has and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from verify.problems import PackError, UsageError, format_path
from verify.run.columns import ABSENT, Departure, departure, look_up, same, templates
from verify.spec.model import Kind
from verify.spec.pack import LoadedPack
from verify.spec.strict_yaml import Document

COLUMN, FIDELITY, DEVIATIONS = "column", "fidelity", "deviations"
FAITHFUL, CLOSEST = "faithful", "closest-feasible"
SAYS_WHICH = ("name", "title")  # they decide nothing
Leaf = tuple[str, ...]


@dataclass(frozen=True)
class Misfit:
    """What no cited field shows: an unknown key, or what the file says of itself."""

    field: str
    found: Any
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: found {self.found!r}, expected {self.expected}"


@dataclass(frozen=True)
class Comparison:
    """A file against a column: what departs, what it declares, and what else is not as it should.

    declared  departures that the file admits to
    stale     declarations that are not true
    """

    file: str
    column: str
    checked: int
    departures: tuple[Departure, ...]
    declared: tuple[Departure, ...]
    stale: tuple[str, ...]
    misfits: tuple[Misfit, ...]

    @property
    def good(self) -> bool:
        """Nothing departs but what the file itself declares."""
        return not (self.departures or self.stale or self.misfits)

    @property
    def faithful(self) -> bool:
        """Nothing departs at all."""
        return self.good and not self.declared

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why it is not good, a line each."""
        return (
            *map(str, self.misfits),
            *map(str, self.departures),
            *(f"stale declaration: {text}" for text in self.stale),
        )


def compare(loaded: LoadedPack, document: Document, column: str | None = None) -> Comparison:
    """Every config clause of the pack, and all that lies beside them, against one file.

    Raises PackError for a file that is no mapping or whose declarations are malformed, UsageError
    for a column that the pack does not have.
    """
    value: Any = document.value
    if not isinstance(value, dict):
        found = f"a {type(value).__name__}"
        raise PackError([document.problem((), found, "a mapping of fields", "rewrite it")])
    declared = _declared(document)
    chosen = _column(loaded, document.file, column or value.get(COLUMN))
    clauses = [clause for clause in loaded.pack.clauses if clause.kind is Kind.CONFIG]
    if not clauses:
        raise UsageError("the pack has no config clauses; expected one a field; remedy: --pack DIR")
    departures = [d for clause in clauses if (d := departure(clause, loaded, chosen, value))]
    covered = {tuple(clause.field.split(".")) for clause in clauses if clause.field}
    return Comparison(
        file=document.file,
        column=chosen,
        checked=len(clauses),
        departures=tuple(item for item in departures if item.field not in declared),
        declared=tuple(item for item in departures if item.field in declared),
        stale=tuple(_stale(value, declared, {item.field for item in departures})),
        misfits=(
            *_header(value, chosen, templates(loaded).get(chosen, {})),
            *_beside(value, templates(loaded).get(chosen, {}), covered),
        ),
    )


def leaves(value: Any, path: Leaf = ()) -> Iterator[tuple[Leaf, Any]]:
    """Path and value of all that is no mapping; an empty mapping is a leaf, or it would not show.

    Paths are tuples: a key may itself hold a dot.
    """
    if not isinstance(value, Mapping) or not value:
        yield path, value
        return
    for key, item in value.items():
        yield from leaves(item, (*path, key))


def _header(value: Mapping[str, Any], column: str, own: Mapping[str, Any]) -> Iterator[Misfit]:
    """What the file says of itself: its column, and that it is faithful or admits to not being."""
    named = value.get(COLUMN, ABSENT)
    if named != column:
        yield Misfit(
            COLUMN, named, f"{column!r}: a file is faithful to no column but its own",
            f"set `column: {column}` in the file",
        )  # fmt: skip
    said = value.get(FIDELITY, ABSENT)
    wanted = CLOSEST if value.get(DEVIATIONS) else FAITHFUL
    if said != wanted and (said is not ABSENT or FIDELITY in own):
        yield Misfit(
            FIDELITY, said, f"{wanted!r}" + (", as it declares deviations" * (wanted == CLOSEST)),
            f"set `fidelity: {wanted}`, or claim no column",
        )  # fmt: skip


def _beside(
    value: Mapping[str, Any], own: Mapping[str, Any], covered: set[Leaf]
) -> Iterator[Misfit]:
    """Leaves that no clause covers: the column's template has them too, with the same values."""
    aside = {COLUMN, FIDELITY, DEVIATIONS, *SAYS_WHICH}
    theirs, ours = (
        {
            path: item
            for path, item in leaves(whole)
            if path[:1] and path[0] not in aside and not _below(path, covered)
        }
        for whole in (value, own)
    )
    for path in [*theirs, *(path for path in ours if path not in theirs)]:
        found, wanted = theirs.get(path, ABSENT), ours.get(path, ABSENT)
        if wanted is ABSENT:
            expected = "no such key: no field of the column is called that"
            yield Misfit(format_path(path), found, expected, "remove the key, or correct its name")
        elif not same(found, wanted):
            expected = f"{wanted!r}, as in the pack's template of the column"
            yield Misfit(format_path(path), found, expected, f"set it to {wanted!r}")


def _below(path: Leaf, covered: set[Leaf]) -> bool:
    return any(path[:length] in covered for length in range(1, len(path) + 1))


def _column(loaded: LoadedPack, file: str, chosen: object) -> str:
    columns = loaded.pack.manifest.columns
    if isinstance(chosen, str) and chosen in columns:
        return chosen
    known = ", ".join(columns) or "none: the pack has no columns"
    raise UsageError(
        f"{file}: found the column {chosen!r}; expected one of {known}; remedy: set `column` in "
        "the file"
    )


def _stale(value: Any, declared: Mapping[str, Any], departing: set[str]) -> Iterator[str]:
    """Declarations that are not true."""
    for field, wanted in declared.items():
        found = look_up(value, field)
        if field in departing and same(found, wanted):
            continue
        really = f"the file has {found!r}" if field in departing else (
            f"the file's {found!r} does not depart from the column"
        )  # fmt: skip
        yield f"{field} is declared to be {wanted!r}, but {really}"


def _declared(document: Document) -> dict[str, Any]:
    """Field -> value of the file's own declarations; raises PackError for malformed ones."""
    entries = document.value.get(DEVIATIONS)
    declared: dict[str, Any] = {}
    problems = list(_malformed(document, entries))
    if problems:
        raise PackError(problems)
    for number, entry in enumerate(entries or ()):
        if entry["field"] in declared:
            found = f"{entry['field']} declared a second time"
            at = (DEVIATIONS, number, "field")
            raise PackError([document.problem(at, found, "each field once", "remove one")])
        declared[entry["field"]] = entry["value"]
    return declared


def _malformed(document: Document, entries: Any) -> Iterator[Any]:
    expected, remedy = "a list of {field: NAME, value: VALUE}", "correct the declaration"
    if entries is None:
        return
    if not isinstance(entries, list):
        found = f"a {type(entries).__name__}"
        yield document.problem((DEVIATIONS,), found, expected, remedy)
        return
    for number, entry in enumerate(entries):
        whole = isinstance(entry, dict) and {"field", "value"} <= set(entry)
        if not whole or not isinstance(entry["field"], str):
            yield document.problem((DEVIATIONS, number), repr(entry)[:80], expected, remedy)
