"""A thing with one value, and a figure that is read from the evidence folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from verify.api import CheckContext, Measurement, check, mutant, subject

VALUES = {"one": 1.0, "worse": 0.0}


@subject("thing")
def thing() -> SimpleNamespace:
    """The thing."""
    return SimpleNamespace(name="thing", capabilities=frozenset(), values=VALUES)


@check("stage.one")
def one(ctx: CheckContext) -> Measurement:
    """How far one is from one."""
    found = ctx.subject.values["one"]
    return ctx.judge(abs(found - ctx.fact("book:stage.one")), f"one: found {found}", unit="units")


@check("stage.figure")
def figure(ctx: CheckContext) -> Measurement:
    """The figure of `figure.json` in the evidence folder, with what stands behind it."""
    path = ctx.evidence_dir / "figure.json"
    if not path.is_file():
        return ctx.missing("no figure was measured")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    value = record.pop("value") + ctx.subject.values["worse"]
    axis = record.pop("axis")
    backing = ctx.backing([path], "figure")
    return ctx.judge(
        value, f"figure {value}", unit="FID", axis=axis, provenance=record, backing=backing
    )


@mutant("stage.two_for_one")
@contextmanager
def two_for_one(subject: Any, by: float = 1.0) -> Iterator[None]:
    """The value is off."""
    subject.values["one"] += by
    try:
        yield
    finally:
        subject.values["one"] -= by


@mutant("stage.worse")
@contextmanager
def worse(subject: Any) -> Iterator[None]:
    """The figure is a hundred worse than measured."""
    subject.values["worse"] = 100.0
    try:
        yield
    finally:
        subject.values["worse"] = 0.0


@mutant("stage.nothing")
@contextmanager
def nothing(subject: Any) -> Iterator[None]:
    """A mistake that changes nothing, which no check can see."""
    yield
