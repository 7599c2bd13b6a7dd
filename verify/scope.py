"""The scope solver: from results, decisions and waivers to what may be said. A pure function.

A claim is allowed when every clause it needs passed and every falsifier of those clauses turned it
red. Its tier follows from the evidence axes of its metric clauses; a claim without any metric says
something about the pipeline only (tier C, DEC-0208). Unknown never counts as pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from verify.outcome import Axis, Outcome
from verify.run.results import FalsifierRun, Verdict
from verify.spec.model import Claim, Clause, Decision, Pack
from verify.spec.select import needed_by


class Tier(StrEnum):
    """How far a claim's numbers carry."""

    A = "A"  # comparable with the paper
    B = "B"  # comparable within this repository
    C = "C"  # about the pipeline only
    NONE = "none"


class Scope(StrEnum):
    """Whether a sentence may be said."""

    ALLOWED = "allowed"
    CONDITIONAL = "allowed with conditions"
    DENIED = "denied"


TIER_OF_AXIS = {
    Axis.PAPER_EVAL: Tier.A,
    Axis.REPO_EVAL: Tier.B,
    Axis.PROXY: Tier.C,
    Axis.SMOKE: Tier.C,
    Axis.EXTERNAL: Tier.NONE,
}
Obstacle = tuple[str, str]  # why a claim is denied, and what would unlock it
_ORDER = [Tier.A, Tier.B, Tier.C, Tier.NONE]


@dataclass(frozen=True)
class Evidence:
    """What a run found; a falsifier that is not among `falsifiers` was not tried."""

    clauses: tuple[Clause, ...]
    verdicts: Mapping[str, Verdict]
    falsifiers: tuple[FalsifierRun, ...]
    subject: str

    def survivors(self, clause_id: str) -> tuple[FalsifierRun, ...]:
        """Falsifiers that did not turn the clause red."""
        return tuple(f for f in self.falsifiers if f.clause == clause_id and not f.killed)

    def tried(self, clause_id: str, label: str) -> bool:
        """Whether a falsifier ran; native ones carry the column they changed behind their label."""
        return any(
            f.clause == clause_id and (f.label == label or f.label.startswith(f"{label}["))
            for f in self.falsifiers
        )


@dataclass(frozen=True)
class ClaimVerdict:
    """What may be said of a claim; `unlock` lists the shortest way to a stronger verdict."""

    claim: str
    title: str
    scope: Scope
    tier: Tier
    sentence: str
    reasons: tuple[str, ...]
    unlock: tuple[str, ...]
    passed: int
    needed: int


def solve(pack: Pack, evidence: Evidence) -> tuple[ClaimVerdict, ...]:
    """The verdict of every claim of the pack, in its order."""
    decisions = {decision.id: decision for decision in pack.decisions}
    return tuple(_solve(claim, pack, evidence, decisions) for claim in pack.claims)


def _solve(
    claim: Claim, pack: Pack, evidence: Evidence, decisions: Mapping[str, Decision]
) -> ClaimVerdict:
    needed = needed_by(claim, pack.clauses)
    tier = _tier(claim, needed, evidence)
    obstacles = [
        *(o for clause in needed for o in _clause_obstacles(clause, evidence)),
        *_decision_obstacles(claim, pack, decisions),
        *_claim_obstacles(claim, needed, tier),
        *_subject_obstacles(claim, pack, evidence),
    ]
    conditions = [c for clause in needed for c in _conditions(clause, evidence)]
    passed = sum(_outcome(clause, evidence) is Outcome.PASS for clause in needed)
    if obstacles:
        scope, tier, sentence = Scope.DENIED, Tier.NONE, ""
    else:
        scope = Scope.CONDITIONAL if conditions else Scope.ALLOWED
        tier = _lower(tier) if conditions else tier
        sentence = _fill(claim, needed, evidence, passed)
    return ClaimVerdict(
        claim=claim.id,
        title=claim.title,
        scope=scope,
        tier=tier,
        sentence=sentence,
        reasons=tuple(text for text, _ in obstacles) or tuple(conditions),
        unlock=tuple(dict.fromkeys(step for _, step in obstacles)),
        passed=passed,
        needed=len(needed),
    )


def _claim_obstacles(claim: Claim, needed: tuple[Clause, ...], tier: Tier) -> Iterable[Obstacle]:
    """What is wrong between a claim and the clauses it names."""
    if not needed:
        yield "it rests on no clause", "name the clauses it needs"
    axis = claim.needs.axis
    if axis is not None and _ORDER.index(tier) > _ORDER.index(TIER_OF_AXIS[axis]):
        yield f"no passing number on the axis {axis}", f"measure on {axis}"
    for clause in needed:
        if clause.semantics and claim.semantics and clause.semantics != claim.semantics:
            text = f"{clause.id} is evidence about {clause.semantics} semantics"
            yield text, f"name clauses about {claim.semantics} semantics"


def _subject_obstacles(claim: Claim, pack: Pack, evidence: Evidence) -> Iterable[Obstacle]:
    """A sentence that names no subject speaks of the pack's own one."""
    own = pack.manifest.subject
    if evidence.subject != own and "{subject}" not in claim.sentence:
        text = f"the evidence is about {evidence.subject}, the sentence about {own}"
        yield text, f"verify run --subject {own}"


def _clause_obstacles(clause: Clause, evidence: Evidence) -> Iterable[Obstacle]:
    verdict = evidence.verdicts.get(clause.id)
    rerun = f"verify run {clause.id}"
    if verdict is None:
        yield f"{clause.id} was not selected in this run", rerun
        return
    if verdict.outcome is Outcome.WAIVED:
        return
    if verdict.outcome is not Outcome.PASS:
        yield f"{clause.id} {verdict.outcome}: {verdict.reason}", f"{rerun}: {clause.remedy}"
        return
    for survivor in evidence.survivors(clause.id):
        yield (
            f"{clause.id} stayed {survivor.verdict.outcome} under its falsifier {survivor.label}",
            f"sharpen the check of {clause.id}",
        )
    untried = [f.label for f in clause.falsifiers if not evidence.tried(clause.id, f.label)]
    if untried:
        text = f"falsifiers of {clause.id} did not run: {', '.join(untried)}"
        yield text, f"{rerun} without --no-falsify"


def _decision_obstacles(
    claim: Claim, pack: Pack, decisions: Mapping[str, Decision]
) -> list[Obstacle]:
    """A claim rests on settled decisions: those it names, its conflicts', and none caps it."""
    wanted = set(claim.needs.decisions)
    wanted |= {c.decision for c in pack.conflicts if claim.id in c.affects}
    wanted |= {d.id for d in pack.decisions if claim.id in d.caps}
    found = []
    for name in sorted(wanted):
        decision = decisions.get(name)
        status = decision.status if decision else "missing"
        if decision is None or not decision.status.settled:
            title = f" ({decision.title})" if decision else ""
            found.append((f"{name}{title} is {status}", f"settle {name}"))
    return found


def _conditions(clause: Clause, evidence: Evidence) -> Iterable[str]:
    if _outcome(clause, evidence) is Outcome.WAIVED:
        yield f"{clause.id} is {evidence.verdicts[clause.id].reason}"


def _outcome(clause: Clause, evidence: Evidence) -> Outcome | None:
    verdict = evidence.verdicts.get(clause.id)
    return verdict.outcome if verdict else None


def _tier(claim: Claim, needed: tuple[Clause, ...], evidence: Evidence) -> Tier:
    """The weakest axis among the claim's metric clauses, stated or measured; C without any."""
    tiers = [Tier.C if claim.needs.axis is None else Tier.A]
    metrics = [clause for clause in needed if clause.axis is not None]
    for clause in metrics:
        verdict = evidence.verdicts.get(clause.id)
        measured = Axis(verdict.axis) if verdict and verdict.axis else None
        tiers.append(TIER_OF_AXIS[measured] if measured else Tier.NONE)
        tiers += [TIER_OF_AXIS[clause.axis]] if clause.axis else []
    if claim.needs.axis is not None and not metrics:
        return Tier.NONE
    return max(tiers, key=_ORDER.index)


def _lower(tier: Tier) -> Tier:
    return _ORDER[min(_ORDER.index(tier) + 1, len(_ORDER) - 2)]


def _fill(claim: Claim, needed: tuple[Clause, ...], evidence: Evidence, passed: int) -> str:
    """The sentence with what the evidence says; nothing else can be put in."""
    ratios = [r for c in needed if (r := _share_of_tolerance(c, evidence)) is not None]
    words = {
        "passed": str(passed),
        "needed": str(len(needed)),
        "worst": f"{max(ratios):.2g}" if ratios else "none",
        "subject": evidence.subject,
        "semantics": claim.semantics or "reference",
    }
    sentence = claim.sentence
    for word, value in words.items():
        sentence = sentence.replace("{" + word + "}", value)
    return sentence


def _share_of_tolerance(clause: Clause, evidence: Evidence) -> float | None:
    """Measured value over the clause's tolerance, where both are numbers."""
    measured, allowed = evidence.verdicts[clause.id].measured, clause.tolerance.value
    if allowed and isinstance(measured, (int, float)):
        return measured / allowed
    return None
