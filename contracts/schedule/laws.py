"""Learning rate: checks against the recording, and the two pieces of the schedule."""

from __future__ import annotations

from random import Random
from typing import Any

from drift import schedule
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import worst_of

from ..common import golden


@check("schedule.recorded", needs=("learning_rate",))
def recorded(ctx: CheckContext) -> Measurement:
    """Every recorded rate, as a fraction of the recorded tolerance."""
    recording = golden.recorded(ctx, "lr_schedule")
    allowed = golden.recorded_tolerance(recording, "rel_of_peak")
    compared = golden.Comparison()
    for case, spec in recording.meta["specs"].items():
        base, kind = spec["learning_rate"], spec["lr_schedule"]
        lengths = spec["warmup_steps"], spec["total_steps"]
        steps = recording.arrays[f"{case}/steps"]
        rates = [_rate(ctx, int(step), base, *lengths, kind) for step in steps]
        compared.hold(case, rates, recording.arrays[f"{case}/lr"], allowed * base)
    return compared.judge(ctx)


@check("schedule.first_update", needs=("learning_rate",))
def first_update(ctx: CheckContext) -> Measurement:
    """Update 0 of every kind with a warm-up uses the initial rate, neither 0 nor the next one."""
    for kind in ("const", "cosine"):
        for base, warmup in ((2e-4, 5000), (4e-4, 10_000), (4e-3, 4000), (0.1, 12)):
            got = _rate(ctx, 0, base, warmup, 10 * warmup, kind)
            if got != ctx.params["initial"]:
                found = f"{kind}, base {base:g}, warm-up {warmup}: update 0 uses {got!r}"
                return ctx.decide(False, f"{found}, expected {ctx.params['initial']!r}")
    return ctx.decide(True, f"update 0 uses {ctx.params['initial']!r} in 8 schedules")


@check("schedule.constant_after_warmup", needs=("learning_rate",))
def constant_after_warmup(ctx: CheckContext) -> Measurement:
    """From update `warmup` on, a constant schedule gives the base rate itself."""
    random = Random(ctx.seed)
    for _ in range(ctx.examples):
        base, warmup = random.uniform(1e-5, 1.0), random.randint(0, 20_000)
        total = warmup + random.randint(1, 200_000)
        for step in (warmup, warmup + 1, random.randint(warmup, total), total, 10 * total):
            got = _rate(ctx, step, base, warmup, total, "const")
            if got != base:
                found = f"update {step} after a warm-up of {warmup}, total {total}: {got!r}"
                return ctx.decide(False, f"{found}, expected the base rate {base!r}")
    return ctx.decide(True, f"{ctx.examples} drawn schedules are constant after the warm-up")


@check("schedule.linear_warmup", needs=("learning_rate",))
def linear_warmup(ctx: CheckContext) -> Measurement:
    """Equal steps from the initial rate, the last of which lands on the base rate."""
    random, worst, where = Random(ctx.seed), 0.0, ""
    for _ in range(ctx.examples):
        base, warmup = random.uniform(1e-5, 1.0), random.randint(1, 400)
        rates = [_rate(ctx, s, base, warmup, 1000, "const") for s in range(warmup + 1)]
        step = (base - 1e-6) / warmup
        error = max(abs(rate - (1e-6 + s * step)) for s, rate in enumerate(rates)) / base
        if not error <= worst:
            worst, where = worst_of((error,)), f"base {base:.3g}, warm-up {warmup}"
    return ctx.judge(worst, f"largest departure from a straight line {worst:.2g} of base ({where})")


# The rate decays although the template says constant.
cosine_for_constant = mutant("schedule.cosine_for_constant", schedule.KINDS, const="cosine")


@mutant("schedule.first_update_off_by_one", schedule, "learning_rate")
def first_update_off_by_one(real: Any, step: Any, **spec: Any) -> Any:
    """Updates are counted from 1: the first one uses the rate of the second."""
    return real(int(step) + 1, **spec)


@mutant("schedule.warmup_one_step_long", schedule, "warmup")
def warmup_one_step_long(real: Any, step: Any, base: Any, steps: Any) -> Any:
    """The warm-up is divided into one step too many and never lands on the base rate."""
    return real(step, base, steps + 1)


def _rate(ctx: CheckContext, step: int, base: float, warmup: int, total: int, kind: str) -> float:
    rate = ctx.subject.learning_rate(
        step, base=base, warmup_steps=warmup, total_steps=total, kind=kind
    )
    return float(rate)


OTHER_VALUES = (mutant("schedule.warmup_from_zero", schedule, INITIAL_RATE=0.0),)
