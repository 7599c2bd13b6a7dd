"""From results, decisions and waivers to what may be said. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from verify.outcome import Outcome
from verify.scope.evidence import Evidence
from verify.scope.forms import Finding, Question, answer, questions
from verify.scope.sentence import fill
from verify.scope.tiers import Form, Scope, rank
from verify.scope.unlock import unlock
from verify.scope.verdicts import ClaimVerdict, WaiverNote
from verify.spec.model import Claim, Pack


def solve(pack: Pack, evidence: Evidence) -> tuple[ClaimVerdict, ...]:
    """The verdict of every claim of the pack, in its order; raises nothing on a sound pack."""
    return tuple(solve_claim(claim, pack, evidence) for claim in pack.claims)


def solve_claim(claim: Claim, pack: Pack, evidence: Evidence) -> ClaimVerdict:
    """The verdict of one claim, with the shortest way to a stronger one."""
    asked = questions(claim, pack)
    now = verdict(asked, pack, evidence)
    found = unlock(now, asked, pack, evidence, lambda p, e: verdict(asked, p, e))
    return replace(now, unlock=found, capped="" if found else _capped(now, asked, pack, evidence))


def verdict(asked: tuple[Question, ...], pack: Pack, evidence: Evidence) -> ClaimVerdict:
    """The best form of a claim that may be said; the strict one, denied, where none may."""
    findings = [answer(question, pack, evidence) for question in asked]
    best = max(findings, key=lambda f: rank(f.tier, f.scope, f.question.form))
    claim, denied = best.question.claim, best.scope is Scope.DENIED
    return ClaimVerdict(
        claim=claim.id,
        title=claim.title,
        scope=best.scope,
        tier=best.tier,
        form=best.question.form,
        sentence="" if denied else fill(best, evidence),
        semantics=claim.semantics,
        subject=evidence.subject,
        axis=best.axis,
        reasons=tuple(_reasons(best, findings)),
        waivers=_waivers(findings if denied else [best], pack, evidence),
        unlock=None,
        capped="",
        passed=best.passed,
        needed=len(best.question.clauses),
    )


def _reasons(best: Finding, findings: list[Finding]) -> Iterator[str]:
    """Its own first, then what the other form adds."""
    own = dict.fromkeys([*(lack.reason for lack in best.lacks), *best.conditions, *best.unborne])
    yield from own
    for other in findings:
        for reason in dict.fromkeys(lack.reason for lack in other.lacks if lack.reason not in own):
            yield f"{other.question.form} form: {reason}"


def _waivers(findings: list[Finding], pack: Pack, evidence: Evidence) -> tuple[WaiverNote, ...]:
    waived = {
        clause.id
        for finding in findings
        for clause in finding.question.clauses
        if evidence.outcome(clause.id) is Outcome.WAIVED
    }
    return tuple(
        WaiverNote(waiver.clause, waiver.owner, waiver.reason, waiver.expires)
        for waiver in pack.waivers
        if waiver.clause in waived
    )


def _capped(now: ClaimVerdict, asked: tuple[Question, ...], pack: Pack, evidence: Evidence) -> str:
    """Why no leaf raises a claim."""
    if now.scope is Scope.DENIED:
        for question in asked:
            for lack in answer(question, pack, evidence).lacks:
                if lack.leaf is None:
                    return f"no evidence would help: {lack.reason}"
    if all(question.needs.axis is None for question in asked):
        return f"it names no axis for a number, so it is at most tier {asked[0].ceiling}"
    stated = ", ".join(sorted({str(c.axis) for c in asked[0].metrics}))
    if now.form is Form.STRICT and now.tier is asked[0].ceiling:
        return f"its numbers are stated for {stated}, so it is at most tier {now.tier}"
    return f"tier {now.tier} is the most that its forms can carry"
