"""Assertions held against evidence and facts: pure functions, no files.

A figure is backed by a sound clause that measured it on the axis the text names; parity and
superiority by an allowed claim or a sound clause that speaks of the same thing, of the same
authority and as strictly. What an authority states has to be quoted as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from verify.outcome import Axis
from verify.prose import wording
from verify.prose.classify import Act, Assertion, classify, clauses
from verify.prose.evidence import KnownClaim, KnownClause, KnownFact
from verify.prose.figures import Figure
from verify.prose.reading import Sentence
from verify.prose.scene import CITED, Voice
from verify.prose.support import Bench, carrying, nearest, shortfall, stems
from verify.prose.vocabulary import ANY_SOURCE


class Ruling(StrEnum):
    """What becomes of an assertion, the worst last."""

    BACKED = "backed"
    ATTRIBUTED = "attributed"
    NEEDS_ATTRIBUTION = "needs attribution"
    OVERCLAIM = "overclaim"

    @property
    def flagged(self) -> bool:
        """Whether somebody has to mend the text."""
        return self in (Ruling.NEEDS_ATTRIBUTION, Ruling.OVERCLAIM)


_ORDER = list(Ruling)


@dataclass(frozen=True)
class Finding:
    """The ruling on a sentence, why, a sentence that would be true, and on what it rests.

    `lacks_evidence` where nothing was run that could have backed it.
    """

    sentence: Sentence
    ruling: Ruling
    act: Act
    reason: str
    instead: str = ""
    rests_on: tuple[str, ...] = ()
    lacks_evidence: bool = False


def judge_sentence(sentence: Sentence, bench: Bench) -> Finding | None:
    """The worst ruling on any clause of a sentence; None where it asserts nothing."""
    whole = _restated(sentence, bench)
    if whole is not None:
        return whole
    found = [
        judge(assertion, sentence, bench)
        for clause in clauses(sentence)
        if (assertion := classify(clause, bench.vocabulary)) is not None
    ]
    return max(found, key=lambda f: _ORDER.index(f.ruling), default=None)


def judge(assertion: Assertion, sentence: Sentence, bench: Bench) -> Finding:
    """The worst ruling on any act of an assertion."""
    found = [_figure(figure, assertion, sentence, bench) for figure in assertion.figures]
    found += [
        _words(act, cue, assertion, sentence, bench)
        for act, cue in assertion.acts
        if act is not Act.FIGURE
    ]
    return max(found, key=lambda f: _ORDER.index(f.ruling))


def _restated(sentence: Sentence, bench: Bench) -> Finding | None:
    """An allowed claim's own sentence in one piece; its numbers must be those of the evidence."""
    restates = bench.vocabulary.restated(sentence.text)
    assertion = classify(sentence, bench.vocabulary) if restates else None
    if assertion is None:
        return None
    for claim in bench.evidence.claims:
        if claim.id in restates and claim.allowed and not _more_than(claim, assertion, bench):
            why = f"{claim.id} allows it" + (f"; {claim.reasons[0]}" if claim.reasons else "")
            return Finding(sentence, Ruling.BACKED, Act.RESTATED, why, "", (claim.id,))
    return None


def _more_than(claim: KnownClaim, assertion: Assertion, bench: Bench) -> bool:
    """Whether a sentence says what the claim that it repeats does not say."""
    own = next(support for support in bench.supports if support.id == claim.id)
    cues = {cue for act, cue in assertion.acts if act in (Act.PARITY, Act.SUPERIORITY)}
    forbidden = any(act is Act.FORBIDDEN for act, _ in assertion.acts)
    return (
        _differs(claim, assertion, bench)
        or forbidden
        or any(not stems(cue) <= own.stems for cue in cues)
    )


def _differs(claim: KnownClaim, assertion: Assertion, bench: Bench) -> bool:
    """Whether numbers, columns, authorities or exactness are not those of the claim repeated."""
    own = next(support for support in bench.supports if support.id == claim.id)
    other = bool(assertion.columns and own.columns) and not assertion.columns <= own.columns
    return (
        other
        or not set(assertion.numbers) <= own.numbers
        or not assertion.named <= own.authorities | {ANY_SOURCE}
        or (assertion.exact and not own.says_exactly)
    )


# -- figures --------------------------------------------------------------------------------------


def _figure(figure: Figure, assertion: Assertion, sentence: Sentence, bench: Bench) -> Finding:
    backed = _measured(figure, assertion, sentence, bench)
    if backed is not None:
        return backed
    facts = bench.facts_on(figure.metric)
    if assertion.quoted and assertion.voice is not Voice.OURS:
        return _quotation(figure, assertion, sentence, bench)
    right = [fact for fact in facts if _fits(fact, assertion, bench)]
    stated = _stating(figure, right)
    if assertion.voice is Voice.OTHERS and not any(bench.is_source(f.authority) for f in stated):
        return Finding(sentence, Ruling.ATTRIBUTED, Act.FIGURE, "told of somebody else")
    if assertion.voice is not Voice.OURS and stated:
        reason = f"{figure} is a figure of the {stated[0].authority} ({stated[0].at})"
        true = wording.quoted(stated, figure.metric)
        return Finding(sentence, Ruling.NEEDS_ATTRIBUTION, Act.FIGURE, reason, true)
    reason = wording.why_no_figure(figure, assertion, bench)
    true = wording.instead_of_figure(figure, assertion, stated, bench)
    return _overclaim(sentence, Act.FIGURE, reason, true, bench)


def _measured(
    figure: Figure, assertion: Assertion, sentence: Sentence, bench: Bench
) -> Finding | None:
    """A sound clause that measured the figure; one on a weaker axis that is not named misleads."""
    if assertion.quoted and assertion.voice is not Voice.OURS:
        return None
    found = [c for c in bench.evidence.clauses if _holds_figure(c, figure, assertion, bench)]
    for clause in found:
        plain = assertion.axis is None and clause.axis in (None, Axis.PAPER_EVAL)
        if plain or assertion.axis is clause.axis:
            why = f"{clause.id} measured it"
            return Finding(sentence, Ruling.BACKED, Act.FIGURE, why, "", (clause.id,))
    if not found:
        return None
    clause = found[0]
    named = f"the text says {assertion.axis}" if assertion.axis else "the text does not say so"
    reason = f"{figure} is evidence on the {clause.axis} axis ({clause.id}), and {named}"
    true = wording.on_axis(figure, clause)
    return Finding(sentence, Ruling.OVERCLAIM, Act.FIGURE, reason, true, (clause.id,))


def _holds_figure(clause: KnownClause, figure: Figure, assertion: Assertion, bench: Bench) -> bool:
    """Whether a sound clause measured a figure of the same column under the same semantics."""
    columns = bench.vocabulary.columns_in(clause.id.replace("-", " "), clause.statement)
    other = assertion.columns and columns and not assertion.columns & columns
    semantics = (assertion.semantics, clause.semantics)
    differ = None not in semantics and len(set(semantics)) > 1
    measured = clause.sound and figure.within(bench.measured(figure.metric, clause))
    # Only a ratio of two times needs no axis; any other number without one is not a result.
    unlabelled = clause.axis is None and figure.metric != "speed-up"
    return bool(measured and not other and not differ and not unlabelled)


def _quotation(figure: Figure, assertion: Assertion, sentence: Sentence, bench: Bench) -> Finding:
    """A figure that is said to be an authority's has to be one of its figures."""
    quoted = set(assertion.quoted) - {CITED}
    facts = bench.facts_on(figure.metric)
    theirs = [fact for fact in facts if ANY_SOURCE in quoted or fact.authority in quoted]
    right = [fact for fact in theirs if _fits(fact, assertion, bench)]
    if not theirs or figure.within([fact.value for fact in right]):
        why = f"quoted from: {', '.join(sorted(assertion.quoted))}"
        return Finding(sentence, Ruling.ATTRIBUTED, Act.FIGURE, why)
    shown = (right or theirs)[:1]
    reason = f"misquoted: the {shown[0].authority} does not state {figure} ({shown[0].at})"
    true = wording.quoted(shown, figure.metric)
    return Finding(sentence, Ruling.OVERCLAIM, Act.FIGURE, reason, true)


def _fits(fact: KnownFact, assertion: Assertion, bench: Bench) -> bool:
    """Whether a fact is about a column that the text names, or either names none."""
    column = bench.column(fact)
    return column is None or not assertion.columns or column in assertion.columns


def _stating(figure: Figure, facts: Sequence[KnownFact]) -> list[KnownFact]:
    """Facts of one authority that hold all values of a figure, one a value."""
    for first in facts:
        theirs = [f for f in facts if f.authority == first.authority and f.topic == first.topic]
        if figure.within([fact.value for fact in theirs]):
            return [
                next(fact for fact in theirs if part.equals(fact.value)) for part in figure.parts()
            ]
    return []


# -- parity, superiority, a claim's words ---------------------------------------------------------


def _words(act: Act, cue: str, assertion: Assertion, sentence: Sentence, bench: Bench) -> Finding:
    if assertion.quoted and assertion.voice is not Voice.OURS:
        why = f"quoted from: {', '.join(sorted(assertion.quoted))}"
        return Finding(sentence, Ruling.ATTRIBUTED, act, why)
    if act is Act.FORBIDDEN:
        reason = f"{', '.join(assertion.forbidden_by)} forbids these words"
        return _overclaim(sentence, act, reason, _instead(assertion, act, bench), bench)
    if act is Act.RESTATED:
        return _repeated(assertion, sentence, bench)
    support = carrying(bench.supports, assertion, act, cue)
    if support is not None:
        why = f"{support.id} carries it"
        return Finding(sentence, Ruling.BACKED, act, why, "", (support.id,))
    reason = f"{cue!r}: {_why(assertion, act, cue, bench)}"
    return _overclaim(sentence, act, reason, _instead(assertion, act, bench), bench)


def _overclaim(sentence: Sentence, act: Act, reason: str, true: str, bench: Bench) -> Finding:
    """An overclaim that evidence could have backed."""
    missing = bench.evidence.bundle is None
    return Finding(sentence, Ruling.OVERCLAIM, act, reason, true, lacks_evidence=missing)


def _repeated(assertion: Assertion, sentence: Sentence, bench: Bench) -> Finding:
    """Words of a claim that is denied, or with numbers that the evidence does not have."""
    claims = [claim for claim in bench.evidence.claims if claim.id in assertion.restates]
    claims.sort(key=lambda c: not assertion.columns & bench.vocabulary.columns_in(c.title))
    allowed = [claim for claim in claims if claim.allowed]
    if not allowed:
        reason = f"{claims[0].id} is denied: {wording.because(claims[0], bench)}"
        true = wording.not_shown(claims[0], bench)
        return _overclaim(sentence, Act.RESTATED, reason, true, bench)
    if not _differs(allowed[0], assertion, bench):  # what else it says is judged by its other acts
        why = f"{allowed[0].id} allows it"
        return Finding(sentence, Ruling.BACKED, Act.RESTATED, why, "", (allowed[0].id,))
    reason = f"it says more than {allowed[0].id}, or has other numbers"
    return Finding(sentence, Ruling.OVERCLAIM, Act.RESTATED, reason, allowed[0].sentence)


def _why(assertion: Assertion, act: Act, cue: str, bench: Bench) -> str:
    near = nearest(bench.supports, assertion, act)
    denied = wording.denied_about(assertion, bench)
    if bench.evidence.bundle is None:
        return "there is no evidence: no sealed bundle was found"
    if denied is not None and (near is None or len(assertion.topic - near.topic) > 0):
        return f"{denied.id} is denied: {wording.because(denied, bench)}"
    if near is None:
        return "no allowed claim and no sound clause speaks of it"
    return f"{near.id} does not carry it: {shortfall(near, assertion, act, cue)}"


def _instead(assertion: Assertion, act: Act, bench: Bench) -> str:
    """The nearest sentence that the evidence carries, or the nearest that it does not."""
    near = nearest(bench.supports, assertion, act)
    denied = wording.denied_about(assertion, bench)
    if near is not None and (denied is None or assertion.topic <= near.topic):
        return near.sentence
    return wording.not_shown(denied, bench) if denied is not None else wording.NOTHING
