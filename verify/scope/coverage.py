"""How much of a source is held: each item of its outline, by the clauses that cite its facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from verify.spec.outline import Item, Outline, Why


class Held(StrEnum):
    """What became of an item."""

    SEEN_RED = "seen red"  # a clause passed, and each of its falsifiers turned it red
    MEASURED = "measured"  # such a clause judges a number on an axis
    UNPROVEN = "not judged so"  # a clause cites it, and none stands in this evidence
    INFORMATIONAL = "informational"
    NEEDS_A_RUN = "needs a run"
    DECLINED = "declined"
    OPEN = "open"  # neither a clause nor a reason: lint refuses it

    @property
    def good(self) -> bool:
        """Whether a clause stands behind it."""
        return self in (Held.SEEN_RED, Held.MEASURED)


@dataclass(frozen=True)
class Standing:
    """Clauses as this question sees them.

    cited     fact -> ids of the clauses that cite it
    sound     clauses that passed, with every falsifier tried and red
    measured  clauses that judge a number on an axis
    """

    cited: Mapping[str, Sequence[str]]
    sound: Collection[str]
    measured: Collection[str]


@dataclass(frozen=True)
class Share:
    """The items of a source with what became of each."""

    authority: str
    items: Mapping[str, Held]

    @property
    def held(self) -> int:
        """How many items a clause stands behind."""
        return sum(one.good for one in self.items.values())

    @property
    def value(self) -> float:
        """The share of them."""
        return self.held / len(self.items)

    @property
    def line(self) -> str:
        """In words, with its denominator."""
        count = list(self.items.values()).count
        rest = [f"{count(one)} {one}" for one in Held if not one.good and count(one)]
        others = f"; the others: {', '.join(rest)}" if rest else ""
        return (
            f"{self.held} of {len(self.items)} items of the {self.authority} are held by a clause "
            f"that was seen red, {count(Held.MEASURED)} of them by measurement{others}"
        )


def shares(outlines: Iterable[Outline], standing: Standing) -> Iterator[Share]:
    """One share for each source that has items."""
    kept = list(outlines)
    reasons = {one.fact: one.reason for outline in kept for one in outline.uncited}
    for outline in kept:
        if outline.items:
            found = {
                item.id: _held(item, outline.authority, reasons, standing) for item in outline.items
            }
            yield Share(outline.authority, found)


def _held(item: Item, authority: str, reasons: Mapping[str, Why], standing: Standing) -> Held:
    """An item is held where each of its facts that has clauses is; one open fact leaves it open."""
    if item.none is not None:
        return Held(item.none.reason.value)
    facts = [f"{authority}:{topic}" for topic in item.facts]
    cited = [standing.cited[fact] for fact in facts if standing.cited.get(fact)]
    excused = [reasons[fact] for fact in facts if fact in reasons]
    if len(cited) + len(excused) < len(facts):
        return Held.OPEN
    if not cited:
        return Held(excused[0].value)
    sound = [[name for name in names if name in standing.sound] for names in cited]
    if not all(sound):
        return Held.UNPROVEN
    measured = any(name in standing.measured for names in sound for name in names)
    return Held.MEASURED if measured else Held.SEEN_RED
