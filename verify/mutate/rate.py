"""What share of changes was noticed, and what a report says of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from verify import strict_json

SCHEMA = "verify/detection/1"
FOLDER = "mutation"  # in the folder of bundles
_Z = 1.96  # of an interval of 95 %


class Fate(StrEnum):
    """What became of a change."""

    JUDGED = "judged"  # a clause failed: it says what is wrong
    CRASHED = "crashed"  # a clause broke, hung or had nothing to say: noticed, but not judged
    SURVIVED = "survived"  # every clause that runs it still passes
    UNREACHED = "unreached"  # no clause runs it

    @property
    def noticed(self) -> bool:
        """Whether `verify run` would not have been green."""
        return self in (Fate.JUDGED, Fate.CRASHED)


@dataclass(frozen=True)
class Rate:
    """Changes by what became of them."""

    judged: int = 0
    crashed: int = 0
    survived: int = 0
    unreached: int = 0

    @property
    def tried(self) -> int:
        """The denominator."""
        return self.judged + self.crashed + self.survived + self.unreached

    @property
    def noticed(self) -> int:
        """Those that would have turned a run red."""
        return self.judged + self.crashed

    @property
    def value(self) -> float | None:
        """The share noticed; None of nothing."""
        return self.noticed / self.tried if self.tried else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval of 95 % for the share over all changes that could have been drawn."""
        if self.value is None:
            return None
        n, p, square = self.tried, self.value, _Z * _Z
        middle = (p + square / (2 * n)) / (1 + square / n)
        half = _Z * math.sqrt(p * (1 - p) / n + square / (4 * n * n)) / (1 + square / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def line(self) -> str:
        """`18 of 20 (90 %, 95 % interval 70 to 97 %), 15 judged and 3 by a crash`."""
        if self.value is None or self.interval is None:
            return "0 of 0"
        low, high = self.interval
        share = f"{100 * self.value:.0f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f} %"
        how = f"{self.judged} judged and {self.crashed} by a crash"
        return f"{self.noticed} of {self.tried} ({share}), {how}"


Count = Annotated[int, Field(ge=0)]


class Counts(BaseModel):
    """How many changes came to each end."""

    model_config = ConfigDict(strict=True, extra="ignore")

    judged: Count
    crashed: Count
    survived: Count
    unreached: Count


class Stated(Counts):
    """What a report says of a record: the rate with its denominator, and how it was drawn."""

    finished: str
    seed: int
    drawn: Count
    universe: Count
    equivalent: Count
    patterns: list[str]
    selectors: list[str]
    contracts: dict[str, Counts] = Field(default_factory=dict)


def known(reports: Path, digests: Mapping[str, str], subject: str) -> dict[str, Any] | None:
    """What a report says of the records about exactly these files; None where there is none.

    The latest is the one whose rate is told. The rates of single contracts are counted anew from
    the changes that all of them list, each once: nobody picks the seed that looks best.
    """
    fitting = [
        one
        for one in _records(reports / FOLDER)
        if (one.get("digests"), one.get("subject")) == (dict(digests), subject)
    ]
    if not fitting:
        return None
    fitting.sort(key=lambda one: str(one.get("finished")))
    latest = Stated.model_validate(fitting[-1]).model_dump(exclude={"contracts"})
    return {**latest, "contracts": _by_contract(fitting)}


def rates(stated: Mapping[str, Any] | None) -> dict[str, Rate] | None:
    """Rates by contract, of what `known` says."""
    if not stated:
        return None
    return {name: Rate(**counts) for name, counts in stated.get("contracts", {}).items()}


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    """Records whose counts are those of the changes they list; one that was typed may not be."""
    for path in sorted(folder.glob("*.json")):
        try:
            one = strict_json.loads(path.read_text(encoding="utf-8"))
            if one["schema"] == SCHEMA and _counts_follow(one):
                Stated.model_validate({**one, "contracts": {}})
                yield one
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue


def _counts_follow(one: Mapping[str, Any]) -> bool:
    listed = list(_listed(one))
    counted = Counter(fate for _, fate, _ in listed)
    once = len({mutant for mutant, _, _ in listed}) == len(listed)
    return once and all(one[fate.value] == counted[fate] for fate in Fate)


def _listed(one: Mapping[str, Any]) -> Iterator[tuple[str, Fate, list[str]]]:
    """(change, its end, contracts whose clauses run it) of all changes of a record."""
    for item in (*one["missed"], *one["noticed"]):
        yield str(item["mutant"]), Fate(item["fate"]), [str(name) for name in item["contracts"]]


def _by_contract(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Of a change that several records tried, the latest end counts."""
    ends = {mutant: (fate, names) for one in records for mutant, fate, names in _listed(one)}
    counted = Counter((name, fate) for fate, names in ends.values() for name in names)
    contracts = sorted({name for name, _ in counted})
    return {name: {fate.value: counted[name, fate] for fate in Fate} for name in contracts}


def sentence(one: Mapping[str, Any] | None) -> str:
    """What a report says of the rate; where nobody has measured it for these files, just that."""
    if one is None:
        return "generic mutants: not measured for these files; `verify mutate` does"
    counted = Rate(**{fate.value: int(one[fate.value]) for fate in Fate})
    of = " ".join((*one["selectors"], *one["patterns"])) or "all clauses and files"
    return (
        f"generic mutants: {counted.line()}, of {one['universe']} changes ({of}; "
        f"seed {one['seed']}, {one['finished']})"
    )
