"""What `verify explain` says of a claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verify.known import Known
from verify.mutate.rate import rates
from verify.report import claims
from verify.scope import ClaimVerdict
from verify.spec.floors import floors
from verify.spec.model import Claim, Detection, Needs, Pack
from verify.spec.select import named_by


def explain_claim(claim: Claim, pack: Pack, now: Known) -> list[str]:
    """Both forms with what they need, then the verdict of current evidence and the way up."""
    lines = [f"{claim.id}  {claim.title}", "", f"strict      {claim.sentence}"]
    lines += _needs(claim.needs, pack)
    if claim.bounded:
        lines += [f"bounded     {claim.bounded.sentence}", *_needs(claim.bounded.needs, pack)]
    if claim.semantics:
        lines.append(f"semantics   {claim.semantics}")
    lines += [f"forbids     {phrase}" for phrase in claim.forbids]
    lines += [
        f"conflict    {conflict.id}: {conflict.summary} ({conflict.decision})"
        for conflict in pack.conflicts
        if claim.id in conflict.affects or conflict.id in claim.needs.conflicts
    ]
    lines += [
        f"capped by   {decision.id} ({decision.title}), {decision.status}"
        for decision in pack.decisions
        if claim.id in decision.caps
    ]
    return [*lines, "", *_verdict(claim, now)]


def _needs(needs: Needs, pack: Pack) -> Iterator[str]:
    count = len(named_by(needs.clauses, pack.clauses))
    yield f"  clauses   {count}: {' '.join(needs.clauses)}"
    if needs.axis is not None:
        yield f"  axis      {needs.axis}"
    if asked := floors(needs.floors, pack).words():
        yield f"  floors    {asked}"
    if needs.detection is not None:
        yield f"  detection {_asked(needs.detection)}"
    rests = [*needs.decisions, *needs.conflicts]
    if rests:
        yield f"  rests on  {' '.join(rests)}"


def _verdict(claim: Claim, now: Known) -> list[str]:
    if now.report is None:
        return [f"evidence    none that is current; `verify run claim:{claim.id}` produces it"]
    (view,) = (view for view in now.report.claims if view.claim == claim.id)
    return [f"evidence    {now.name}", *_noticed(claim, now.report.about), *_found(view)]


def _asked(one: Detection) -> str:
    judged = f", {one.judged:.0%} of these judged" if one.judged else ""
    return (
        f"each of {' '.join(one.contracts)} notices at least {one.at_least:.0%} of {one.tried} "
        f"changes or more{judged}"
    )


def _noticed(claim: Claim, about: Mapping[str, Any]) -> Iterator[str]:
    """The rates that the forms ask for, as they are recorded for exactly these files."""
    found = rates(about.get("detection")) or {}
    forms = (claim.needs, *([claim.bounded.needs] if claim.bounded else []))
    names = dict.fromkeys(n for one in forms if one.detection for n in one.detection.contracts)
    for name in names:
        said = f"notices {found[name].line()}" if name in found else "no rate for these files"
        yield f"  detection {name} {said}"


def _found(view: ClaimVerdict) -> Iterator[str]:
    yield f"  verdict   {claims.verdict(view)}"
    yield f"  about     {claims.about(view)}"
    if view.sentence:
        yield f"  may say   {view.sentence}"
    yield from (f"  because   {reason}" for reason in view.reasons)
    yield from (f"  {claims.waiver(note)}" for note in view.waivers)
    if view.unlock is None:
        yield f"  no way up {view.capped}" if view.capped else "  no way up"
        return
    yield f"to {claims.raises_to(view.unlock)} ({len(view.unlock.leaves)}):"
    for number, (text, command) in enumerate(claims.steps(view.unlock), 1):
        yield f"  {number}. {text}"
        yield f"     $ {command}"
