"""Enumerated words of a result: its outcome, why, and what a number may be compared with."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What became of a clause or of one falsifier's run; never a boolean."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"  # evidence is missing
    ERROR = "error"  # the check broke; says nothing about the subject
    TIMEOUT = "timeout"
    NOT_APPLICABLE = "not_applicable"
    WAIVED = "waived"

    @property
    def evaluated(self) -> bool:
        """Whether the subject was judged: only a pass and a fail are judgements."""
        return self in (Outcome.PASS, Outcome.FAIL)


class Reason(StrEnum):
    """Why a clause has an outcome other than a judgement by its check."""

    JUDGED = "judged"
    EVIDENCE_MISSING = "evidence_missing"
    CAPABILITY_MISSING = "capability_missing"
    DEPENDENCY_MISSING = "dependency_missing"
    DOMAIN = "domain"  # the subject says that it does not do this
    CHECK_RAISED = "check_raised"
    MEMORY_BUDGET = "memory_budget"
    TIME_BUDGET = "time_budget"
    WORKER_DIED = "worker_died"
    NO_COLUMN = "no_column"
    WAIVER = "waiver"
    INTERRUPTED = "interrupted"


class Axis(StrEnum):
    """What a number may be compared with; order is from strongest to weakest."""

    PAPER_EVAL = "paper-eval"
    REPO_EVAL = "repo-eval"
    PROXY = "proxy"
    SMOKE = "smoke"
    EXTERNAL = "external"


def reaches(axis: Axis | None, needed: Axis | None) -> bool:
    """Whether a number on an axis serves where another is needed; quoted figures never do."""
    if axis is None or needed is None or Axis.EXTERNAL in (axis, needed):
        return False
    order = list(Axis)
    return order.index(axis) <= order.index(needed)
