"""What became of a clause: an enumerated outcome with a reason, never a boolean."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Outcome of one clause or of one falsifier's run."""

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
    CHECK_RAISED = "check_raised"
    MEMORY_BUDGET = "memory_budget"
    TIME_BUDGET = "time_budget"
    WORKER_DIED = "worker_died"
    NO_COLUMN = "no_column"
    WAIVER = "waiver"
    INTERRUPTED = "interrupted"
