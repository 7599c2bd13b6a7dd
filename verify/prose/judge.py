"""What is caught, held against evidence and facts: pure functions, no files. The world is closed.

A caught sentence passes if it is an allowed claim's own sentence, a paraphrase that is marked as
one and says no more, a figure that an authority states and that is attributed to it, or marked as
claiming nothing. Nothing else carries it: no clause, no neighbouring sentence, no likeness of
words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from verify.prose import attribution, paraphrase
from verify.prose import lexicon as lex
from verify.prose.evidence import Evidence, KnownClaim, KnownFact
from verify.prose.forbidden import says
from verify.prose.markers import Kind, Marker
from verify.prose.net import Act, Catch, catches, said
from verify.prose.page import Sentence
from verify.prose.text import latin
from verify.prose.whole import figures


class Ruling(StrEnum):
    """What becomes of a sentence, the worst last."""

    BACKED = "backed"
    ATTRIBUTED = "attributed"
    NO_CLAIM = "no claim"
    NEEDS_ATTRIBUTION = "needs attribution"
    OVERCLAIM = "overclaim"

    @property
    def flagged(self) -> bool:
        """Whether somebody has to mend the text."""
        return self in (Ruling.NEEDS_ATTRIBUTION, Ruling.OVERCLAIM)


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


REMEDY = (
    "say an allowed claim's sentence, tie a paraphrase to it (`claim: CLAIM-ID`), attribute the "
    "figure, or say why it claims nothing (`no claim: WHY`)"
)


def judge(sentence: Sentence, evidence: Evidence, marked: Sequence[Marker] = ()) -> Finding | None:
    """The ruling on a sentence; None where it claims nothing that anybody could see."""
    restated = _restated(sentence, evidence)
    named = [marker for marker in marked if marker.kind is Kind.CLAIM]
    if restated is not None and (not restated.ruling.flagged or not named):
        return restated
    caught = (
        *_forbidden(sentence, evidence),
        *catches(_sources_named(sentence, evidence)),
        *_nearly(sentence, evidence),
        *_known_figure(sentence, evidence),
    )
    if named:
        return _paraphrase(sentence, named[0], caught, evidence)
    if not caught:
        return None
    excused = [marker for marker in marked if marker.kind is Kind.NO_CLAIM]
    if excused:
        return Finding(sentence, Ruling.NO_CLAIM, caught[0].act, f"marked: {excused[0].reason}")
    return _attributed(sentence, caught, evidence)


def _sources_named(sentence: Sentence, evidence: Evidence) -> Sentence:
    """A pack's own sources called what the net calls any source."""
    text = sentence.text
    for authority in evidence.authorities:
        if authority.role != "recording" and authority.id not in lex.text("ALIASES"):
            text = attribution.called(authority).sub("reference", text)
    return sentence if text == sentence.text else replace(sentence, text=text)


def _restated(sentence: Sentence, evidence: Evidence) -> Finding | None:
    """A claim's own sentence, word by word; denied ones are told by their title as well."""
    text, block = _plain(sentence.text), _plain(sentence.context.block)
    for claim in sorted(evidence.claims, key=lambda c: not c.allowed):
        own = _plain(claim.sentence)
        if claim.allowed and text and text in own and own in block:
            why = f"{claim.id} allows it" + (f"; {claim.reasons[0]}" if claim.reasons else "")
            return Finding(sentence, Ruling.BACKED, Act.RESTATED, why, "", (claim.id,))
        if not claim.allowed and text in (own, _plain(claim.title), _filled(claim, evidence)):
            return _denied(sentence, claim, evidence)
    return None


def _plain(text: str) -> str:
    return latin(text).rstrip(". ")


def _filled(claim: KnownClaim, evidence: Evidence) -> str:
    return _plain(claim.sentence.replace("{subject}", evidence.subject))


def _denied(sentence: Sentence, claim: KnownClaim, evidence: Evidence) -> Finding:
    reason = f"{claim.id} is denied: {'; '.join(claim.reasons[:2]) or 'no reason given'}"
    return _overclaim(sentence, Act.RESTATED, reason, evidence, claim)


def _forbidden(sentence: Sentence, evidence: Evidence) -> Iterator[Catch]:
    """Phrases that a claim forbids; a single word is in many honest sentences."""
    for claim in evidence.claims:
        for phrase in claim.forbids if claim.forbids else ():
            found = [f for part in said(sentence) if (f := says(phrase, part))]
            if len(phrase.split()) > 1 and found:
                yield Catch(Act.FORBIDDEN, f"{found[0]}, which {claim.id} forbids")


def _nearly(sentence: Sentence, evidence: Evidence) -> Iterator[Catch]:
    """Most of a claim's words, and others with them."""
    words = paraphrase.content(sentence.text)
    for claim in evidence.claims:
        own = paraphrase.content(claim.sentence)
        if len(words & own) >= max(_FEWEST, _SHARE * len(words | own)):
            yield Catch(Act.RESTATED, f"nearly the sentence of {claim.id}")


def _known_figure(sentence: Sentence, evidence: Evidence) -> Iterator[Catch]:
    """A figure that an authority states for a metric, whatever the sentence calls it."""
    for figure in (f for part in said(sentence) for f in figures(part)):
        number = attribution.value(figure)
        if number and number[1] and any(_is_figure(f, number[0]) for f in evidence.facts):
            yield Catch(Act.FIGURE, figure)


def _is_figure(fact: KnownFact, number: float) -> bool:
    known = fact.value == number and number >= 1 and number % 1
    return bool(known and attribution.metric_of(fact))


_SHARE, _FEWEST = 0.7, 5  # of the words that two sentences have in common to be nearly the same


def _paraphrase(
    sentence: Sentence, marker: Marker, caught: Sequence[Catch], evidence: Evidence
) -> Finding | None:
    """A sentence tied to a claim: the claim is allowed, and the sentence says no more than it."""
    known = [c for c in evidence.claims if c.id.partition(" ")[0] == marker.reason]
    if not known:
        reason = f"the marker in line {marker.line} names {marker.reason}, which no claim is called"
        return _overclaim(sentence, Act.MARKED, reason, evidence)
    allowed = next((claim for claim in known if claim.allowed), None)
    if allowed is None:
        return _denied(sentence, known[0], evidence)
    more = paraphrase.says_more(sentence, allowed, evidence)
    if more is None and all(catch.act is Act.LIKENESS for catch in caught):
        more = paraphrase.other_words(sentence, allowed)
    if more is not None:
        reason = f"marked as {marker.reason}, and {more}"
        return _overclaim(sentence, Act.MARKED, reason, evidence, allowed)
    why = f"marked as a paraphrase of {allowed.id}"
    return Finding(sentence, Ruling.BACKED, Act.MARKED, why, "", (allowed.id,))


def _attributed(sentence: Sentence, caught: Sequence[Catch], evidence: Evidence) -> Finding:
    """Whose a caught sentence is, or what is wrong with it."""
    source = attribution.hold(sentence, evidence)
    act, cue = caught[0].act, caught[0].cue
    if source.holds:
        return Finding(sentence, Ruling.ATTRIBUTED, act, source.reason)
    if source.misquoted:
        true = quoted(source.facts) if source.facts else ""
        return Finding(sentence, Ruling.OVERCLAIM, act, source.reason, true or REMEDY)
    if act is Act.FIGURE and source.facts and not source.ours:
        reason = f"{cue} is a figure of the {source.facts[0].authority} ({source.facts[0].at})"
        return Finding(
            sentence, Ruling.NEEDS_ATTRIBUTION, act, reason, quoted(source.facts)
        )  # fmt: skip
    claim = _about(sentence, evidence)
    if claim is not None and claim.reasons:
        reason = f"no claim says it: {cue!r}; {claim.id} is denied: {claim.reasons[0]}"
    elif evidence.bundle is None:
        reason = f"no claim says it: {cue!r}; there is no evidence: no sealed bundle was found"
    else:
        reason = f"no allowed claim says it, no authority is named for it, no marker: {cue!r}"
    return _overclaim(sentence, act, reason, evidence, claim)


def _about(sentence: Sentence, evidence: Evidence) -> KnownClaim | None:
    """The denied claim that shares most of a sentence's words."""
    words = paraphrase.content(sentence.text)
    denied = [c for c in evidence.claims if not c.allowed]
    shared = {c.id: len(words & paraphrase.content(f"{c.title} {c.sentence}")) for c in denied}
    best = max(denied, key=lambda c: shared[c.id], default=None)
    return best if best is not None and shared[best.id] > 1 else None


def _overclaim(
    sentence: Sentence,
    act: Act,
    reason: str,
    evidence: Evidence,
    claim: KnownClaim | None = None,
) -> Finding:
    instead = REMEDY
    if claim is not None:
        denied = f"Not shown: {claim.title.rstrip('.')} ({claim.id}, denied)."
        instead = claim.sentence if claim.allowed else denied
    bare = evidence.bundle is None
    return Finding(sentence, Ruling.OVERCLAIM, act, reason, instead, (), bare)


def quoted(facts: Sequence[KnownFact]) -> str:
    """`The paper reports 1.54 for L2 (Tables 1, 5, 6: FID of the five columns).`"""
    first = facts[0]
    name = attribution.metric_of(first) or "the value"
    key = f" for {first.key}" if first.key else ""
    return (
        f"The {first.authority.replace('_', ' ')} reports {name} {first.value:g}{key} ({first.at})."
    )
