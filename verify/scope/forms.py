"""One sentence of a claim against the evidence: what it still lacks, and how far it carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from verify.mutate.rate import Rate
from verify.outcome import Axis, Outcome, reaches
from verify.scope.coverage import Standing, shares
from verify.scope.evidence import Evidence
from verify.scope.leaves import Leaves
from verify.scope.tiers import (
    TIER_OF_AXIS,
    Form,
    Scope,
    Tier,
    lowered,
    weakest_axis,
    weakest_tier,
)
from verify.scope.verdicts import Leaf
from verify.spec.floors import Floors, floors
from verify.spec.model import Claim, Clause, Decision, Detection, Needs, Pack
from verify.spec.select import named_by


@dataclass(frozen=True)
class Lack:
    """Why a sentence may not be said; `leaf` is None where no evidence would help."""

    reason: str
    leaf: Leaf | None


@dataclass(frozen=True)
class Question:
    """One form of a claim; `clauses` are those it needs, `ceiling` is the most it can be."""

    claim: Claim
    form: Form
    sentence: str
    needs: Needs
    clauses: tuple[Clause, ...]
    floors: Floors
    ceiling: Tier

    @property
    def metrics(self) -> tuple[Clause, ...]:
        """Its clauses that measure a number on an axis."""
        return tuple(clause for clause in self.clauses if clause.axis is not None)

    def asking(self, axis: Axis) -> Question:
        """The same, with numbers on a stronger axis."""
        return replace(self, needs=self.needs.model_copy(update={"axis": axis}))

    def leaves(self, pack: Pack, evidence: Evidence) -> Leaves:
        """What can be changed about it."""
        return Leaves(self.needs, self.floors, pack, evidence)


@dataclass(frozen=True)
class Finding:
    """What came of a question; `unborne` are numbers that count as proxies, and hold it at C."""

    question: Question
    scope: Scope
    tier: Tier
    axis: Axis | None
    lacks: tuple[Lack, ...]
    conditions: tuple[str, ...]
    unborne: tuple[str, ...]
    passed: int


def questions(claim: Claim, pack: Pack) -> tuple[Question, ...]:
    """The forms of a claim, the strict one first."""
    top = Tier.C if claim.needs.axis is None else Tier.A
    strict = _question(claim, Form.STRICT, claim.sentence, claim.needs, pack, top)
    if claim.bounded is None:
        return (strict,)
    needs = claim.bounded.needs
    # A loose pass never carries as far.
    below = weakest_tier([_asked(needs), lowered(_asked(claim.needs))])
    bounded = _question(claim, Form.BOUNDED, claim.bounded.sentence, needs, pack, below)
    return strict, bounded


def _question(
    claim: Claim, form: Form, sentence: str, needs: Needs, pack: Pack, ceiling: Tier
) -> Question:
    clauses = named_by(needs.clauses, pack.clauses)
    stated = [TIER_OF_AXIS[c.axis] for c in clauses if c.axis is not None]
    most = weakest_tier([ceiling, *stated])
    return Question(claim, form, sentence, needs, clauses, floors(needs.floors, pack), most)


def _asked(needs: Needs) -> Tier:
    return Tier.C if needs.axis is None else TIER_OF_AXIS[needs.axis]


def answer(question: Question, pack: Pack, evidence: Evidence) -> Finding:
    """Whether a form's sentence may be said, and how far it carries."""
    lacks = tuple(lacking(question, pack, evidence))
    conditions = tuple(_conditions(question, evidence))
    axes = [evidence.axis(clause) for clause in question.metrics]
    known = [axis for axis in axes if axis is not None]
    axis = weakest_axis(known) if known and len(known) == len(axes) else None
    tier, scope = Tier.NONE, Scope.DENIED
    if not lacks:
        scope = Scope.CONDITIONAL if conditions else Scope.ALLOWED
        tier = weakest_tier([question.ceiling, *([TIER_OF_AXIS[axis]] if axis else ())])
        tier = lowered(tier) if conditions else tier
    passed = sum(evidence.outcome(c.id) is Outcome.PASS for c in question.clauses)
    unborne = tuple(_unborne(c, evidence) for c in question.metrics if evidence.unsigned(c))
    held = unborne if question.needs.axis and not lacks else ()
    return Finding(question, scope, tier, axis, lacks, conditions, held, passed)


def lacking(question: Question, pack: Pack, evidence: Evidence) -> Iterator[Lack]:
    """All that keeps a form's sentence from being said."""
    leaves = question.leaves(pack, evidence)
    for clause in question.clauses:
        yield from _clause(clause, question, evidence, leaves)
    yield from _decisions(question, pack, leaves)
    yield from _shape(question)
    yield from _coverage(question, pack, evidence)
    yield from _detection(question, evidence, leaves)
    own = pack.manifest.subject
    if evidence.subject != own and "{subject}" not in question.sentence:
        text = f"the evidence is about {evidence.subject}, the sentence about {own}"
        yield Lack(text, leaves.subject(question.claim.id))


def _clause(
    clause: Clause, question: Question, evidence: Evidence, leaves: Leaves
) -> Iterator[Lack]:
    short = tuple(_short(clause, question, evidence)) if clause.axis is not None else ()
    outcome = evidence.outcome(clause.id)
    stands = outcome in (Outcome.PASS, Outcome.WAIVED)
    if short or not stands:  # of thousands that are asked, a few
        leaf = leaves.number(clause) if short else leaves.clause(clause)
        if stands and not tuple(_short(clause, question, evidence.supposing(clause.id))):
            names = [one.record for one in evidence.verdicts[clause.id].backing]
            leaf = leaves.signature(clause, names)
        if outcome is None:
            yield Lack(f"{clause.id} was not selected in this run", leaf)
        elif not stands:
            yield Lack(f"{clause.id} {outcome}: {evidence.verdicts[clause.id].reason}", leaf)
        for reason in short:
            yield Lack(reason, leaf)
    if outcome is Outcome.PASS:
        yield from _falsifiers(clause, evidence, leaves)


def _short(clause: Clause, question: Question, evidence: Evidence) -> Iterator[str]:
    """In what a metric clause's number is not the one that the form needs."""
    assert clause.axis is not None
    needed = question.needs.axis or Axis.SMOKE
    outcome = evidence.outcome(clause.id)
    judged = outcome is not None and (outcome.evaluated or outcome is Outcome.WAIVED)
    if not judged:
        floors = question.floors.words()
        if question.needs.axis is not None or floors:
            on = f" on {question.needs.axis}" if question.needs.axis else ""
            yield f"no number of {clause.id}{on}{f': {floors}' if floors else ''}"
        return
    if not reaches(evidence.measured_axis(clause), needed):
        measured = evidence.verdicts[clause.id].axis or "no axis"
        yield f"{clause.id} is stated for {clause.axis} and measured on {measured}, not on {needed}"
    elif not reaches(evidence.axis(clause), needed):
        yield _unborne(clause, evidence)
    for text in question.floors.shortfalls(evidence.verdicts[clause.id].provenance):
        yield f"{clause.id}: {text}"


def _unborne(clause: Clause, evidence: Evidence) -> str:
    """That a number counts as a proxy, and why."""
    on, counts = evidence.measured_axis(clause), evidence.axis(clause)
    return f"{clause.id} is measured on {on} and counts as {counts}: {evidence.unsigned(clause)}"


def _falsifiers(clause: Clause, evidence: Evidence, leaves: Leaves) -> Iterator[Lack]:
    for run in evidence.survivors(clause.id):
        text = f"{clause.id} stayed {run.verdict.outcome} under its falsifier {run.label}"
        yield Lack(text, leaves.survivor(clause, run.label))
    untried = evidence.untried(clause)
    if untried:
        text = f"falsifiers of {clause.id} did not run: {', '.join(untried)}"
        yield Lack(text, leaves.untried(clause))


def _decisions(question: Question, pack: Pack, leaves: Leaves) -> Iterator[Lack]:
    """A claim rests on settled decisions: those it names, its conflicts', and none caps it."""
    decisions = {decision.id: decision for decision in pack.decisions}
    conflicts = {conflict.id: conflict for conflict in pack.conflicts}
    for name in question.needs.conflicts:
        if name not in conflicts:
            yield Lack(f"the conflict {name} is not in the pack", None)
    for name, because in sorted(_wanted(question, pack).items()):
        decision = decisions.get(name)
        if decision is None or not decision.status.settled:
            yield Lack(f"{_said(name, decision)}{because}", leaves.decision(name, decision))


def _wanted(question: Question, pack: Pack) -> Mapping[str, str]:
    """Decisions by id, each with the conflict that it is to answer where the claim names one."""
    claim, needs = question.claim, question.needs
    wanted = {d.id: "" for d in pack.decisions if claim.id in d.caps}
    for conflict in pack.conflicts:
        if conflict.id in needs.conflicts:
            wanted[conflict.decision] = f", and {conflict.id} rests on it"
        elif claim.id in conflict.affects:
            wanted.setdefault(conflict.decision, "")
    for name in needs.decisions:
        wanted.setdefault(name, "")
    return wanted


def _said(name: str, decision: Decision | None) -> str:
    return f"{name} ({decision.title}) is {decision.status}" if decision else f"{name} is missing"


def _shape(question: Question) -> Iterator[Lack]:
    """What is wrong between a form and the clauses it names; no evidence mends it."""
    needs, wanted = question.needs, question.claim.semantics
    if not question.clauses:
        yield Lack("it rests on no clause", None)
    if needs.axis is not None and not question.metrics:
        yield Lack(f"none of its clauses measures a number on {needs.axis}", None)
    if question.floors.asked() and not question.metrics:
        yield Lack("it has floors, and no clause that measures anything", None)
    for clause in question.clauses:
        if clause.semantics and wanted and clause.semantics != wanted:
            yield Lack(f"{clause.id} is evidence about {clause.semantics} semantics", None)


def _coverage(question: Question, pack: Pack, evidence: Evidence) -> Iterator[Lack]:
    """How much of a source has to be held; what is short is a matter of clauses, not of a run."""
    if not question.needs.coverage:
        return
    found = {one.authority: one for one in shares(pack.outlines, standing(evidence))}
    for name, least in question.needs.coverage.items():
        share = found.get(name)
        if share is None:
            yield Lack(f"there is no outline of {name}", None)
        elif share.value < least:
            yield Lack(f"{share.line}; at least {least:.0%} needed", None)


def _detection(question: Question, evidence: Evidence, leaves: Leaves) -> Iterator[Lack]:
    """How much of what could be wrong each contract of a form has to notice."""
    asked = question.needs.detection
    for name in () if asked is None else asked.contracts:
        assert asked is not None
        text = _unnoticed(asked, (evidence.detection or {}).get(name))
        if text and name not in evidence.supposed:
            yield Lack(f"{name} {text}", leaves.detection(name, asked))


def _unnoticed(asked: Detection, rate: Rate | None) -> str:
    """In what a recorded rate falls short; empty where it does not."""
    if rate is None or rate.value is None:
        return "has no detection rate that was recorded for exactly these files"
    if rate.tried < asked.tried:
        return f"was tried by {rate.tried} changes, at least {asked.tried} needed"
    if rate.value < asked.at_least:
        return f"notices {rate.line()}, at least {asked.at_least:.0%} needed"
    if rate.judged < asked.judged * rate.noticed:
        return f"notices {rate.line()}, at least {asked.judged:.0%} judged needed"
    return ""


def standing(evidence: Evidence) -> Standing:
    """What was found, as the question of coverage asks for it."""
    cited: dict[str, list[str]] = {}
    for clause in evidence.clauses:
        for source in clause.sources:
            cited.setdefault(source, []).append(clause.id)
    sound = {
        clause.id
        for clause in evidence.clauses
        if evidence.outcome(clause.id) is Outcome.PASS
        and not evidence.survivors(clause.id)
        and not evidence.untried(clause)
    }
    return Standing(cited, sound, {c.id for c in evidence.clauses if c.axis is not None})


def _conditions(question: Question, evidence: Evidence) -> Iterable[str]:
    for clause in question.clauses:
        if evidence.outcome(clause.id) is Outcome.WAIVED:
            yield f"{clause.id} is {evidence.verdicts[clause.id].reason}"
