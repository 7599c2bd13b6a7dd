"""What prose is held against: the newest bundle's findings and the facts of the authorities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from verify.outcome import Axis
from verify.report.model import Report
from verify.scope import ClaimVerdict, Form, Scope
from verify.spec.model import Bounded, Claim, Kind, Pack


@dataclass(frozen=True)
class KnownAuthority:
    """A source that may be quoted."""

    id: str
    title: str
    identifier: str
    role: str


@dataclass(frozen=True)
class KnownFact:
    """A number that an authority states; `key` is its place in a table of several."""

    authority: str
    topic: str
    title: str
    key: str
    value: float
    at: str
    says: str = ""


@dataclass(frozen=True)
class KnownClaim:
    """A claim with its verdict; without evidence it is denied."""

    id: str
    title: str
    sentence: str
    scope: Scope
    reasons: tuple[str, ...] = ()
    semantics: str | None = None
    axis: Axis | None = None
    forbids: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether its sentence may be said."""
        return self.scope is not Scope.DENIED


@dataclass(frozen=True)
class Evidence:
    """All of it; `bundle` is None where nothing has been run."""

    bundle: str | None
    subject: str
    columns: tuple[str, ...] = ()
    authorities: tuple[KnownAuthority, ...] = ()
    facts: tuple[KnownFact, ...] = ()
    metrics: tuple[str, ...] = ()
    claims: tuple[KnownClaim, ...] = ()


def gather(pack: Pack, report: Report | None, bundle: str | None) -> Evidence:
    """The evidence of a pack and of one report, joined by the ids of clauses and claims."""
    return Evidence(
        bundle=bundle if report else None,
        subject=pack.manifest.subject,
        columns=pack.manifest.columns,
        authorities=tuple(
            KnownAuthority(a.id, a.title, a.identifier, a.role) for a in pack.authorities
        ),
        facts=tuple(_facts(pack)),
        metrics=tuple(dict.fromkeys(_metrics(pack))),
        claims=tuple(_claims(pack, report)),
    )


def _facts(pack: Pack) -> Iterator[KnownFact]:
    for name, topic in pack.topics.items():
        for authority, fact in topic.facts.items():
            for key, value in numbers(fact.value):
                yield KnownFact(authority, name, topic.title, key, value, fact.at, fact.says)


def _metrics(pack: Pack) -> Iterator[str]:
    """Names of what metric clauses measure: topics they cite whose values are fractions."""
    for clause in pack.clauses:
        for source in clause.sources if clause.kind is Kind.METRIC else ():
            fact, name = pack.fact(source), source.rpartition(".")[2].replace("_", " ")
            named = fact is not None and name.replace(" ", "").isalpha()
            if fact and named and any(not value.is_integer() for _, value in numbers(fact.value)):
                yield name


def numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Numbers of a fact's value with their keys; truth values and lists are none."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{key} {name}".strip())
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield key, float(value)


def _claims(pack: Pack, report: Report | None) -> Iterator[KnownClaim]:
    """Each claim's strict form, and its bounded one where the evidence allows that instead."""
    views = {view.claim: view for view in report.claims} if report else {}
    for claim in pack.claims:
        view = views.get(claim.id)
        yield _strict(claim, view, report)
        if view and view.form is Form.BOUNDED and claim.bounded:
            yield _bounded(claim, claim.bounded, view)


def _strict(claim: Claim, view: ClaimVerdict | None, report: Report | None) -> KnownClaim:
    why = () if view else ("the newest bundle does not know it" if report else "nothing was run",)
    allowed = view is not None and view.scope is not Scope.DENIED and view.form is Form.STRICT
    return KnownClaim(
        id=claim.id,
        title=claim.title,
        sentence=view.sentence if view and allowed else claim.sentence,
        scope=view.scope if view and allowed else Scope.DENIED,
        reasons=tuple(view.reasons) if view else why,
        semantics=claim.semantics,
        axis=claim.needs.axis,
        forbids=claim.forbids,
    )


def _bounded(claim: Claim, form: Bounded, view: ClaimVerdict) -> KnownClaim:
    """A claim of its own: it never speaks for the strict sentence or for the title."""
    return KnownClaim(
        id=f"{claim.id} ({view.form})",
        title=view.sentence,
        sentence=view.sentence,
        scope=view.scope,
        semantics=claim.semantics,
        axis=form.needs.axis,
    )
