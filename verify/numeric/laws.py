"""Search for a counterexample to a law, with hypothesis."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from verify.api import CheckContext, Measurement
from verify.numeric.arrays import worst_of

if TYPE_CHECKING:
    from hypothesis import settings

__all__ = ["judge_law", "search_settings"]


@dataclass
class _Search:
    worst: float = 0.0
    tried: int = 0
    broken_by: str = ""
    example: Any = None


def search_settings(ctx: CheckContext, **more: Any) -> settings:
    """Hypothesis as a check runs it: quiet, without a clock or a database; `more` adds settings."""
    from hypothesis import HealthCheck, Phase, Verbosity, settings

    return settings(
        max_examples=ctx.examples,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],  # a slow machine is no fault of the code
        phases=[Phase.generate, Phase.shrink] if ctx.shrink else [Phase.generate],
        verbosity=Verbosity.quiet,
        **more,
    )


def judge_law(
    ctx: CheckContext, examples: Any, error: Callable[[Any], float], *, law: str, unit: str = ""
) -> Measurement:
    """Draw from the strategy `examples` until `error` exceeds the clause's tolerance.

    The measured value is the largest error seen; the reason names the smallest counterexample.
    An exception of the subject leaves this function, with a note of the example it was raised on:
    whose it is says the worker (DEC-0310).
    """
    from hypothesis import given, seed

    limit = ctx.tolerance if ctx.tolerance is not None else 0.0
    found = _Search()

    @seed(ctx.seed)
    @search_settings(
        ctx,
        derandomize=True,
        report_multiple_bugs=False,
    )
    @given(examples)
    def holds(example: Any) -> None:
        found.example = example
        measured = worst_of((error(example),))  # a NaN is the worst, whatever comes after it
        found.tried += 1
        if not measured <= found.worst:
            found.worst = measured
        if not measured <= limit:
            found.broken_by = f"{example!r}: {measured:.3g}"
            raise _CounterexampleError

    try:
        holds()
    except _CounterexampleError:
        reason = f"{law}; broken by {found.broken_by}, allowed {limit:.3g} {unit}".rstrip()
    except Exception as raised:
        raised.__notes__ = [f"on {found.example!r}"]  # hypothesis tells the same at length
        raise
    else:
        reason = f"{law}: {found.tried} examples"
    details = {"examples": found.tried, "seed": ctx.seed}
    worst = found.worst if math.isfinite(found.worst) else math.inf
    if ctx.tolerance is None:
        return ctx.decide(not found.broken_by, reason, measured=worst, details=details)
    return ctx.judge(worst, reason, unit=unit, details=details)


class _CounterexampleError(AssertionError):
    pass
