"""An example subject with two checks and two mutants; replace them with your own.

Names given to @subject, @check and @mutant are literals: `verify lint` reads them without running
this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from verify.api import CheckContext, Measurement, check, mutant, subject


class Example:
    """The implementation under test; usually this would import it from your package."""

    name = "example"
    capabilities = frozenset({"to_millimetres", "to_inches"})
    factor = 25.4
    factor_back = 25.4

    def to_millimetres(self, inches: float) -> float:
        """Inches to millimetres."""
        return inches * self.factor

    def to_inches(self, millimetres: float) -> float:
        """Millimetres to inches."""
        return millimetres / self.factor_back


@subject("example")
def example() -> Example:
    """A fresh subject."""
    return Example()


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


@mutant("length.survey_inch")
@contextmanager
def survey_inch(subject: Example) -> Iterator[None]:
    """The inch of the US survey foot: off by two parts in a million."""
    with _changed(subject, factor=1000 / 39.37):
        yield


@mutant("length.one_way")
@contextmanager
def one_way(subject: Example) -> Iterator[None]:
    """Only one direction was corrected."""
    with _changed(subject, factor_back=25.0):
        yield


@contextmanager
def _changed(subject: Example, **values: float) -> Iterator[None]:
    before = {name: getattr(subject, name) for name in values}
    vars(subject).update(values)
    try:
        yield
    finally:
        vars(subject).update(before)
