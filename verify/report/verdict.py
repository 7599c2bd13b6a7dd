"""The one line, its numbers and what the process says to a machine: all from outcomes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from verify.outcome import Outcome, Reason
from verify.report.views import ClauseView, FalsifierView

Word = Literal["GO", "NO-GO", "AGREES", "DEPARTS", "INCOMPLETE"]


class ExitCode(IntEnum):
    """What the process says to a machine; when several apply, 5 > 4 > 2 > 1 > 3."""

    GO = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    INTEGRITY = 4
    INTERNAL = 5


class VerdictView(BaseModel):
    """The one line, and the numbers it is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: Word
    line: str
    exit_code: int
    clauses: int
    evaluated: int
    passed: int
    failed: int
    unknown: int
    errors: int
    timeouts: int
    waived: int
    not_applicable: int
    falsifiers_due: int
    falsifiers_killed: int
    cached: int


def verdict_of(
    clauses: list[ClauseView],
    falsifiers: list[FalsifierView],
    due: int | None,
    about: Mapping[str, Any],
) -> VerdictView:
    """The verdict on findings; `due` falsifiers, else those that passing clauses promise.

    A run that audits an implementation from elsewhere has words of its own: see `audited`.
    """
    count = Counter(clause.outcome for clause in clauses)
    killed = sum(falsifier.killed for falsifier in falsifiers)
    expected = due if due is not None else _promised(clauses)
    code = _exit_code(clauses, len(falsifiers) - killed, len(falsifiers) == expected)
    if code is ExitCode.INCOMPLETE and not about["falsify"] and any(map(_undecided, clauses)):
        code = ExitCode.FAILED  # 3 is what such a run says where nothing is wrong with it
    word: Word = "GO" if code is ExitCode.GO else "NO-GO"
    line = f"{word}: {_in_words(clauses, count)}, falsifiers {killed}/{expected}"
    if "audit" in about:
        word, code, line = audited(clauses, about)
    return VerdictView(
        word=word,
        line=line,
        exit_code=code,
        clauses=len(clauses),
        evaluated=_evaluated(count),
        passed=count[Outcome.PASS],
        failed=count[Outcome.FAIL],
        unknown=count[Outcome.UNKNOWN],
        errors=count[Outcome.ERROR],
        timeouts=count[Outcome.TIMEOUT],
        waived=count[Outcome.WAIVED],
        not_applicable=count[Outcome.NOT_APPLICABLE],
        falsifiers_due=expected,
        falsifiers_killed=killed,
        cached=sum(c.cached for c in clauses) + sum(f.cached for f in falsifiers),
    )


def audited(clauses: list[ClauseView], about: Mapping[str, Any]) -> tuple[Word, ExitCode, str]:
    """AGREES, DEPARTS or INCOMPLETE: what was seen of a stranger's code, which is never a GO.

    A clause counts where the same clause passed on the pack's own subject and each of its
    falsifiers turned it red there; what the subject says it does not do is outside.
    """
    audit = about["audit"]
    counted = [c for c in clauses if c.outcome.evaluated and c.id in audit["trusted"]]
    departs = [c for c in counted if c.outcome is Outcome.FAIL]
    outside = [c for c in clauses if c.outcome is Outcome.NOT_APPLICABLE]
    open_ = len(clauses) - len(counted) - len(outside)
    code = ExitCode.FAILED if departs else ExitCode.GO if counted else ExitCode.INCOMPLETE
    if not departs and (open_ or about.get("interrupted")):
        code = ExitCode.INCOMPLETE
    word: Word = {ExitCode.FAILED: "DEPARTS", ExitCode.GO: "AGREES"}.get(code, "INCOMPLETE")  # type: ignore[assignment]
    domain = "; ".join(f"{name} {value}" for name, value in audit["domain"].items())
    line = (
        f"{word}: {len(counted)} of {audit['clauses']} clauses judged, "
        f"{len(counted) - len(departs)} agree, {len(departs)} depart, {open_} open, "
        f"{len(outside)} outside its domain ({domain or 'nothing stated'}), "
        f"{audit['lacking']} ask for what it does not offer"
    )
    return word, code, line


def _evaluated(count: Counter[Outcome]) -> int:
    return count[Outcome.PASS] + count[Outcome.FAIL] + count[Outcome.WAIVED]


def _in_words(clauses: list[ClauseView], count: Counter[Outcome]) -> str:
    """Counts with their denominator; outcomes that rarely occur only where they do."""
    parts = [
        f"{_evaluated(count)}/{len(clauses)} evaluated",
        f"{count[Outcome.FAIL]} failed",
        f"{count[Outcome.UNKNOWN]} unknown",
    ]
    rare = {
        Outcome.ERROR: "errors",
        Outcome.TIMEOUT: "timed out",
        Outcome.WAIVED: "waived",
        Outcome.NOT_APPLICABLE: "not applicable",
    }
    parts += [f"{count[outcome]} {word}" for outcome, word in rare.items() if count[outcome]]
    return ", ".join(parts)


def _promised(clauses: list[ClauseView]) -> int:
    """Falsifiers that would have been due had they been run: those of the passing clauses."""
    return sum(len(c.falsifiers) for c in clauses if c.outcome is Outcome.PASS)


def _exit_code(clauses: list[ClauseView], survivors: int, all_ran: bool) -> ExitCode:
    """A surviving falsifier is a failure: the clause it belongs to proves nothing.

    What is not required may wait for its evidence; a check that breaks has to be mended all the
    same, and a required clause that does not apply was not judged.
    """
    if any(clause.outcome is Outcome.FAIL for clause in clauses) or survivors:
        return ExitCode.FAILED
    incomplete = any(c.broken or c.owed for c in clauses)
    nothing = not any(clause.outcome.evaluated for clause in clauses)
    return ExitCode.INCOMPLETE if incomplete or nothing or not all_ran else ExitCode.GO


def _undecided(clause: ClauseView) -> bool:
    """Whether a clause was due and has no judgement; an interrupt says that of itself."""
    return (clause.broken or clause.owed) and clause.cause is not Reason.INTERRUPTED
