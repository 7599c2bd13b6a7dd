"""Scored checks: points earned out of points possible, and what no number of points outweighs.

A clause earns its weight by a pass whose every falsifier ran and turned it red. Whatever else
became of it earns nothing and stays in the denominator; only what is not applicable leaves both,
and is listed. A failing blocker is never averaged away: the score of its contract, and of the
whole, is then "blocked by" it, whatever the points. A score never stands without its denominator.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from verify.outcome import Outcome
from verify.spec.model import Clause, Contract, Severity

# Points of a clause that states no `weight`; nowhere else is a default.
DEFAULT_WEIGHT = {Severity.BLOCKER: 5, Severity.MAJOR: 3, Severity.MINOR: 1}
OVERALL = "overall"
SHOWN_BLOCKERS = 3
SURVIVED, UNPROVEN = "survived", "unproven"  # a pass that proves nothing, and why
_WORDS = {
    str(Outcome.FAIL): "failed",
    SURVIVED: "with a falsifier survived",
    UNPROVEN: "without its falsifiers run",
    str(Outcome.ERROR): "errors",
    str(Outcome.TIMEOUT): "timed out",
    str(Outcome.UNKNOWN): "unknown",
    str(Outcome.WAIVED): "waived",
}


@dataclass(frozen=True)
class Scored:
    """What the score needs to know of a clause.

    survivors  falsifiers that did not turn it red
    proven     every falsifier of a pass ran and turned it red
    """

    clause: str
    contract: str
    weight: int
    severity: Severity
    outcome: Outcome
    proven: bool = True
    survivors: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def earns(self) -> bool:
        """Whether its weight counts."""
        return self.outcome is Outcome.PASS and self.proven and not self.survivors

    @property
    def word(self) -> str:
        """Its outcome, or why a pass earns nothing."""
        if self.outcome is not Outcome.PASS or self.earns:
            return str(self.outcome)
        return SURVIVED if self.survivors else UNPROVEN

    @property
    def blocks(self) -> bool:
        """Whether it is a blocker that fails; a surviving falsifier fails a run too."""
        failing = self.outcome is Outcome.FAIL or self.word == SURVIVED
        return self.severity is Severity.BLOCKER and failing

    @property
    def command(self) -> str:
        """What shows where it stands, to be run until it earns its weight."""
        if self.survivors:
            return f"verify replay {self.clause} --mutant {shlex.quote(self.survivors[0])}"
        return f"verify run {self.clause}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Part):
    """One clause in the breakdown; `possible` is 0 where it is not applicable."""

    clause: str
    contract: str
    outcome: str
    earned: int
    possible: int


class Step(_Part):
    """One way to raise the score: the points it brings and the command that shows what is wrong."""

    clause: str
    contract: str
    points: int
    outcome: str
    blocks: bool
    command: str
    remedy: str


class Points(_Part):
    """A score with its denominator, of one contract or of all."""

    name: str
    earned: int
    possible: int
    blocked_by: list[str]
    not_applicable: list[str]
    line: str

    @property
    def short(self) -> str:
        """`12/15`, marked where it is blocked."""
        return f"{self.earned}/{self.possible}{' blocked' if self.blocked_by else ''}"


class Score(_Part):
    """The whole score: overall, by contract, by clause, and how to raise it, heaviest first."""

    overall: Points
    contracts: list[Points]
    entries: list[Entry]
    steps: list[Step]

    def of(self, contract: str) -> Points | None:
        """The points of one contract."""
        return next((points for points in self.contracts if points.name == contract), None)


def points_of(contract: Contract, clause: Clause) -> int:
    """Points of a clause: its weight, else that of its severity, times its contract's."""
    own = DEFAULT_WEIGHT[clause.severity] if clause.weight is None else clause.weight
    return own * contract.weight


def score(clauses: Sequence[Scored], *, whole: bool = True) -> Score:
    """The score of a run; `whole` is False where only a part of the pack was selected."""
    names = dict.fromkeys(one.contract for one in clauses)
    return Score(
        overall=_points(OVERALL, clauses, whole),
        contracts=[
            _points(name, [one for one in clauses if one.contract == name], whole) for name in names
        ],
        entries=[_entry(one) for one in clauses],
        steps=[_step(one) for one in _to_raise(clauses)],
    )


def _to_raise(clauses: Iterable[Scored]) -> list[Scored]:
    """What earns nothing yet: what blocks first, then the heaviest, then in the pack's order."""
    open_ = [one for one in clauses if not one.earns and one.outcome is not Outcome.NOT_APPLICABLE]
    return sorted(open_, key=lambda one: (not one.blocks, -one.weight))


def _points(name: str, clauses: Sequence[Scored], whole: bool) -> Points:
    blocked = [one.clause for one in clauses if one.blocks]
    earned = sum(one.weight for one in clauses if one.earns)
    possible = sum(one.weight for one in clauses if one.outcome is not Outcome.NOT_APPLICABLE)
    return Points(
        name=name,
        earned=earned,
        possible=possible,
        blocked_by=blocked,
        not_applicable=[c.clause for c in clauses if c.outcome is Outcome.NOT_APPLICABLE],
        line=_line(earned, possible, blocked, clauses, whole),
    )


def _line(
    earned: int, possible: int, blocked: Sequence[str], clauses: Sequence[Scored], whole: bool
) -> str:
    """`212/340 points, 6 unknown not earned`; `blocked by X: ...` before it."""
    count = Counter(one.word for one in clauses if not one.earns)
    parts = [f"{count[word]} {told}" for word, told in _WORDS.items() if count[word]]
    text = f"{earned}/{possible} points"
    text += f", {', '.join(parts)} not earned" if parts else ""
    absent = count[str(Outcome.NOT_APPLICABLE)]
    text += f", {absent} not applicable" if absent else ""
    text += "" if whole else ", of a part of the pack"
    return f"blocked by {_listed(blocked)}: {text}" if blocked else text


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN_BLOCKERS
    return ", ".join(names[:SHOWN_BLOCKERS]) + (f" and {rest} more" if rest > 0 else "")


def _entry(one: Scored) -> Entry:
    possible = 0 if one.outcome is Outcome.NOT_APPLICABLE else one.weight
    return Entry(
        clause=one.clause,
        contract=one.contract,
        outcome=one.word,
        earned=one.weight if one.earns else 0,
        possible=possible,
    )


def _step(one: Scored) -> Step:
    return Step(
        clause=one.clause,
        contract=one.contract,
        points=one.weight,
        outcome=one.word,
        blocks=one.blocks,
        command=one.command,
        remedy=one.remedy,
    )
