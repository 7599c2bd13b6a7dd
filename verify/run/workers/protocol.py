"""Lines between a worker and the pool: JSON, one a line, each with the nonce of its task.

A nonce is drawn for each task and given to the worker alone. A subject, a child or a thread that
finds the pipe and writes an answer on it does not know it, and the task ends as an error.
"""

from __future__ import annotations

import json
from typing import Any

from verify.outcome import Outcome, Reason
from verify.run.answers import decode
from verify.run.results import Verdict


class LostError(Exception):
    """No usable answer will come; `reason` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


def parsed(line: bytes) -> dict[str, Any]:
    """A line of a worker's pipe."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        raise garbled("an answer that is not JSON") from None
    if not isinstance(answer, dict):
        raise garbled("an answer that is no mapping")
    return answer


def own(answer: dict[str, Any], nonce: str) -> dict[str, Any]:
    """An answer of the worker itself: whatever else writes to its pipe does not know the nonce."""
    if answer.pop("nonce", None) != nonce:
        raise garbled("a line that answers no task: something else wrote to its pipe")
    return answer


def verdict_of(answer: dict[str, Any]) -> Verdict:
    """The verdict of an answer; every part of it has to be there."""
    try:
        return decode(answer)
    except (KeyError, TypeError, ValueError) as error:
        raise garbled(f"an answer without its parts ({error!r})") from None


def garbled(found: str) -> LostError:
    """What came is no answer: the task has no verdict but an error."""
    return LostError(Verdict(Outcome.ERROR, f"the worker sent {found}", Reason.WORKER_DIED))
