"""The generator of both twins against known answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from rover import pcg32
from rover.native import NoCompilerError
from rover.pcg32 import Pcg32

from verify.api import CheckContext, Measurement, Reason, check, mutant


@check("random.known_answers", needs=("draws",))
def known_answers(ctx: CheckContext) -> Measurement:
    """Both generators, seeded as the cited answers were."""
    known = ctx.fact("pcg:pcg32.known_answers")
    rng = Pcg32(known["seed"], known["stream"])
    count = len(known["draws"])
    try:
        drawn = {
            "python": [rng.draw() for _ in range(count)],
            "c": ctx.subject.draws(known["seed"], known["stream"], count),
        }
    except NoCompilerError as error:
        return ctx.missing(str(error), cause=Reason.DEPENDENCY_MISSING)
    for name, found in drawn.items():
        for number, (one, expected) in enumerate(zip(found, known["draws"], strict=True)):
            if one != expected:
                return ctx.decide(False, f"{name}: draw {number} is {one}, expected {expected}")
    return ctx.decide(True, f"{count} known answers in both")


@mutant("random.python_multiplier")
@contextmanager
def python_multiplier(subject: Any) -> Iterator[None]:
    """Another multiplier in the reference."""
    with patch.object(pcg32, "MULTIPLIER", pcg32.MULTIPLIER + 2):
        yield


@mutant("random.c_rotation")
@contextmanager
def c_rotation(subject: Any) -> Iterator[None]:
    """The twin turns a word to the left."""
    changed = subject.source.replace("(word >> turn) | (word << (-turn & 31))",
                                     "(word << turn) | (word >> (-turn & 31))")  # fmt: skip
    with patch.object(subject, "source", changed):
        yield
