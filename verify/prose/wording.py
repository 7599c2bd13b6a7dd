"""Reasons, and sentences that would be true in place of an overclaim."""

from __future__ import annotations

from collections.abc import Sequence

from verify.prose.classify import Assertion
from verify.prose.evidence import KnownClaim, KnownClause, KnownFact
from verify.prose.figures import Figure
from verify.prose.support import Bench, akin

NOTHING = "Nothing of this kind has been measured here."


def quoted(facts: Sequence[KnownFact], metric: str) -> str:
    """`The paper reports FID 1.54 for L2 (Tables 1, 5, 6).`"""
    parts = [f"{metric} {fact.value:g}{f' for {fact.key}' if fact.key else ''}" for fact in facts]
    first = facts[0]
    return f"The {first.authority} reports {' and '.join(parts)} ({first.at})."


def on_axis(figure: Figure, clause: KnownClause) -> str:
    """The figure with the axis that it was measured on."""
    axis = f"{clause.axis} axis, " if clause.axis else ""
    return f"{figure} ({axis}{clause.id}: {clause.statement.rstrip('.')})."


def denied_claim(figure: Figure, assertion: Assertion, bench: Bench) -> KnownClaim | None:
    """The denied claim about the same metric, of the same column where one is named."""
    names = bench.vocabulary
    about = [
        claim
        for claim in bench.denied()
        if any(word.name == figure.metric for word in names.tag(f"{claim.title} {claim.sentence}"))
    ]
    same = [
        claim
        for claim in about
        if assertion.columns & names.columns_in(claim.title, claim.sentence)
        or figure.within(_numbers(claim, bench))
    ]
    return next(iter(same or ([] if assertion.columns else about)), None)


def _numbers(claim: KnownClaim, bench: Bench) -> list[float]:
    words = bench.vocabulary.tag(claim.title)
    return [word.value for word in words if word.value is not None]


def why_no_figure(figure: Figure, assertion: Assertion, bench: Bench) -> str:
    """Why a figure is not ours to state."""
    claim = denied_claim(figure, assertion, bench)
    if claim is not None:
        return f"{claim.id} is denied: {because(claim, bench)}"
    if bench.evidence.bundle is None:
        return "there is no evidence: no sealed bundle was found"
    axis = f" on the {assertion.axis} axis" if assertion.axis else ""
    return f"no sound clause measured {figure}{axis}, and no authority states it"


def instead_of_figure(
    figure: Figure, assertion: Assertion, stated: Sequence[KnownFact], bench: Bench
) -> str:
    """What may be said instead: whose figure it is, what was measured, or that nothing was."""
    if stated:
        return quoted(stated[:1], figure.metric)
    for clause in bench.evidence.clauses:
        values = bench.measured(figure.metric, clause)
        if clause.sound and values:
            shown = Figure(figure.metric, ((values[0], 4),), figure.span)
            text = f"{figure.metric} {values[0]:g}"
            return on_axis(shown, clause).replace(str(shown), text)
    return NOTHING


def not_shown(claim: KnownClaim, bench: Bench) -> str:
    """A denied claim told as what it is."""
    return f"Not shown: {claim.title} ({because(claim, bench)})."


def because(claim: KnownClaim, bench: Bench) -> str:
    """Why a claim is denied: first what its measurements lack, and how much else there is."""
    metrics = {clause.id for clause in bench.evidence.clauses if clause.axis is not None}
    first = sorted(claim.reasons, key=lambda reason: reason.split(" ")[0] not in metrics)
    more = f", and {len(first) - 1} more reasons" if len(first) > 1 else ""
    return f"{first[0]}{more}" if first else "no evidence"


def denied_about(assertion: Assertion, bench: Bench) -> KnownClaim | None:
    """The denied claim that shares most words with an assertion."""
    names = bench.vocabulary

    def topic(claim: KnownClaim) -> frozenset[str]:
        return names.topic(names.tag(f"{claim.title} {claim.sentence}"))

    best = max(bench.denied(), key=lambda c: len(topic(c) & assertion.topic), default=None)
    return best if best is not None and akin(topic(best), assertion.topic) else None
