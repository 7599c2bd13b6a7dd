"""The schedule's edges: refused arguments, and a cosine from its first to its last update."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drift import schedule
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import worst_of

from ..common.refusals import judge_refusals

BASE = {"base": 0.5, "warmup_steps": 4, "total_steps": 10, "kind": "cosine"}


@check("schedule.refusals", needs=("learning_rate", "InputError"))
def refusals(ctx: CheckContext) -> Measurement:
    """Every argument alone outside of its domain, and the edges of the domain."""

    def call(step: Any = 3, **changes: Any) -> float:
        return float(ctx.subject.learning_rate(step, **{**BASE, **changes}))

    taken = {
        "an integer of NumPy": {"step": np.int64(3)},
        "a whole number as a float": {"step": 3.0},
        "no warm-up": {"warmup_steps": 0},
        "a length of 0": {"total_steps": 0, "step": 4},
        "the short name of the cosine": {"kind": "cos"},
    }
    refused = {
        f"{name} of {value!r}": (name, {name: value})
        for name in ("step", "warmup_steps", "total_steps")
        for value in (-1, 2.5, math.nan, math.inf, "three")
    } | {
        f"a base of {value!r}": ("base", {"base": value})
        for value in (0.0, -1.0, math.inf, math.nan)
    }
    return judge_refusals(ctx, call, taken, {**refused, "a kind": ("kind", {"kind": "linear"})})


@check("schedule.cosine", needs=("learning_rate",))
def cosine(ctx: CheckContext) -> Measurement:
    """Both names, from the end of the warm-up past the end, one without an update to decay over."""
    floor, worst, where = float(ctx.params["floor"]), 0.0, ""
    for warmup, total in ((0, 7), (3, 40), (5, 6), (5, 5), (9, 4)):
        length = max(total - warmup, 1)
        for step in range(warmup, warmup + 2 * length + 2):
            share = min(1.0, (step - warmup) / length)
            expected = 0.5 * (floor + (1.0 - floor) * math.cos(math.pi * share / 2.0) ** 2)
            for kind in ("cosine", "cos"):
                got = ctx.subject.learning_rate(
                    step, base=0.5, warmup_steps=warmup, total_steps=total, kind=kind
                )
                error = abs(got - expected) / 0.5
                if not error <= worst:
                    worst = worst_of((error,))
                    where = f"update {step} of {total}, warm-up {warmup}, {kind}"
    return ctx.judge(worst, f"largest departure from the half-wave {worst:.2g} of base ({where})")


@mutant("schedule.cosine_from_the_first_update", schedule, "cosine")
def cosine_from_the_first_update(real: Any, step: Any, base: Any, length: Any) -> Any:
    """The half-wave is as long as the whole run and never reaches its floor."""
    return real(step, base, length + 1)


OTHER_VALUES = (
    # Counts are taken as they come.
    mutant("schedule.unchecked", schedule, _count=lambda name, value: value),
)
