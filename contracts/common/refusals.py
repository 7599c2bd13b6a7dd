"""Refusals: calls that differ in one argument from one that is taken, and are to name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from verify.api import CheckContext, Measurement

__all__ = ["judge_refusals", "refusal_missed"]


def judge_refusals(
    ctx: CheckContext,
    call: Callable[..., object],
    taken: Mapping[str, Any],
    refused: Mapping[str, tuple[str, Any]],
) -> Measurement:
    """`taken` by their names are computed; `refused` raise InputError, which names the argument.

    refused  what is wrong, in words -> a part of the message, and the arguments of the call
    """
    error_type = ctx.subject.InputError
    for what, arguments in taken.items():
        try:
            call(**arguments)
        except Exception as error:
            return ctx.decide(False, f"{what} was refused: {error}")
    for what, (named, arguments) in refused.items():
        problem = refusal_missed(error_type, named, partial(call, **arguments))
        if problem:
            return ctx.decide(False, f"{what} {problem}")
    return ctx.decide(True, f"{len(taken)} calls taken, {len(refused)} refused by name")


def refusal_missed(
    error_type: type[Exception], named: str, call: Callable[[], object]
) -> str | None:
    """How a call departs from being refused with an error that names something; None if not."""
    try:
        call()
    except error_type as error:
        return None if named in str(error) else f"is refused without a word of {named!r}: {error}"
    except Exception as error:
        return f"is not refused but breaks with {type(error).__name__}: {error}"
    return "was taken"
