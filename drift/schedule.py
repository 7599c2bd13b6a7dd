"""Learning rate: linear warm-up, then constant or cosine (paper Table 8; model_builder.py)."""

from __future__ import annotations

import math
from contextlib import suppress

from drift.errors import InputError

INITIAL_RATE = 1e-6  # the warm-up starts here, not at 0: update 0 uses it
COSINE_FLOOR = 1e-6  # the cosine ends at this fraction of the base rate
KINDS = {"const": "const", "cosine": "cosine", "cos": "cosine"}


def learning_rate(
    step: int, *, base: float, warmup_steps: int, total_steps: int, kind: str
) -> float:
    """Rate of update `step`, counted from 0 (the first update uses learning_rate(0)).

    base          rate after the warm-up
    warmup_steps  the warm-up covers the updates 0 .. warmup_steps - 1
    total_steps   end of the cosine; without meaning for "const"
    kind          "const" | "cosine" | "cos" (another name of "cosine")

    Raises InputError for a negative or fractional step or length, for a base that is not a
    positive number and for an unknown kind.
    """
    shape = _kind(kind)
    step = _count("step", step)
    warmup_steps = _count("warmup_steps", warmup_steps)
    total_steps = _count("total_steps", total_steps)
    if not (math.isfinite(base) and base > 0.0):
        raise InputError("learning_rate: base", found=base, expected="a positive, finite rate")
    if step < warmup_steps:
        return warmup(step, base, warmup_steps)
    if shape == "const":
        return float(base)
    return cosine(step - warmup_steps, base, total_steps - warmup_steps)


def warmup(step: int, base: float, warmup_steps: int) -> float:
    """Linear from INITIAL_RATE at step 0 to base at step warmup_steps."""
    return INITIAL_RATE + (base - INITIAL_RATE) * step / warmup_steps


def cosine(step: int, base: float, decay_steps: int) -> float:
    """Half a cosine from base to COSINE_FLOOR * base over decay_steps, flat afterwards."""
    decay_steps = max(decay_steps, 1)
    share = min(step, decay_steps) / decay_steps
    half_wave = 0.5 * (1.0 + math.cos(math.pi * share))
    return base * ((1.0 - COSINE_FLOOR) * half_wave + COSINE_FLOOR)


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise InputError(
            "learning_rate: kind", found=repr(kind), expected="one of " + ", ".join(KINDS)
        )
    return KINDS[kind]


def _count(name: str, value: int) -> int:
    """A whole number of at least 0; accepts the integers of numpy and 0-d tensors of torch."""
    whole: int | None = None
    with suppress(TypeError, ValueError, OverflowError):
        whole = int(value)
    if whole is None or whole < 0 or whole != value:
        raise InputError(
            f"learning_rate: {name}", found=repr(value), expected="a whole number of at least 0"
        )
    return whole
