"""Checks of lengths; each measures the subject and judges by the clause's facts and tolerance."""

from __future__ import annotations

from verify.api import CheckContext, Measurement, check


@check("length.inch", needs=("to_millimetres",))
def one_inch(ctx: CheckContext) -> Measurement:
    """The subject against the cited fact: the expected value stands in specs/, not here."""
    found, expected = ctx.subject.to_millimetres(1.0), ctx.fact("standard:length.inch")
    return ctx.decide(found == expected, f"1 inch: found {found} mm, expected {expected} mm")


@check("length.round_trip", needs=("to_millimetres", "to_inches"))
def round_trip(ctx: CheckContext) -> Measurement:
    """The worst relative error of a conversion and back."""
    errors = {
        length: abs(ctx.subject.to_inches(ctx.subject.to_millimetres(length)) / length - 1)
        for length in ctx.params["lengths"]
    }
    worst = max(errors, key=errors.__getitem__)
    reason = f"worst at {worst} inches: {errors[worst]:.2g}"
    return ctx.judge(errors[worst], reason, unit="relative")
