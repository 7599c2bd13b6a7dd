"""What a sentence may rest on: allowed claims and sound clauses, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from verify.outcome import Axis
from verify.prose.classify import Act, Assertion
from verify.prose.evidence import Evidence, KnownClaim, KnownClause, KnownFact
from verify.prose.patterns import assertions
from verify.prose.vocabulary import ANY_SOURCE, Vocabulary, vocabulary
from verify.prose.words import Sort, Word, holds, split, stem

SHARE = 0.8  # of an assertion's words that a support has to speak of
_TITLE = 4  # first words of a fact's title, where it names what is stated


@dataclass(frozen=True)
class Support:
    """A claim or a clause as something to rest on.

    topic     stems of its words; authorities, numbers, columns: those that it names
    agrees    it says that something agrees with something; says_exactly: without a tolerance
    exact     its evidence has no tolerance
    bound     the largest difference that was measured, where that is no share of a tolerance
    """

    id: str
    sentence: str
    topic: frozenset[str]
    stems: frozenset[str]
    authorities: frozenset[str]
    numbers: frozenset[float]
    columns: frozenset[str]
    agrees: bool
    exact: bool
    says_exactly: bool
    bound: float | None
    semantics: str | None
    axis: Axis | None


@dataclass(frozen=True)
class Bench:
    """Evidence prepared for judging: its vocabulary, what may be rested on, whose figures."""

    evidence: Evidence
    vocabulary: Vocabulary
    supports: tuple[Support, ...]
    facts: tuple[tuple[frozenset[str], KnownFact], ...]

    @classmethod
    def of(cls, evidence: Evidence) -> Bench:
        """Everything that does not depend on the text."""
        names = vocabulary(evidence)
        return cls(
            evidence=evidence,
            vocabulary=names,
            supports=tuple(_supports(evidence, names)),
            facts=tuple((_metrics(fact, names), fact) for fact in evidence.facts),
        )

    def facts_on(self, metric: str) -> list[KnownFact]:
        """What authorities state about a metric."""
        return [fact for metrics, fact in self.facts if metric in metrics]

    def is_source(self, authority: str) -> bool:
        """Whether an authority may govern a claim; others are told of as mistakes."""
        return any(a.id == authority and a.role == "source" for a in self.evidence.authorities)

    def column(self, fact: KnownFact) -> str | None:
        """The column of the pack that a fact is about."""
        return next(iter(self.vocabulary.columns_in(fact.key)), None)

    def measured(self, metric: str, clause: KnownClause) -> list[float]:
        """Values of a metric that a clause measured: itself, or by name among its details."""
        tag = self.vocabulary.tag
        values = [v for k, v in clause.details.items() if metric in _named(tag(_spaced(k)))]
        if clause.measured is not None and _is_unit(metric, tag(clause.unit)):
            values.append(clause.measured)
        return values

    def denied(self) -> list[KnownClaim]:
        """Claims that may not be said."""
        return [claim for claim in self.evidence.claims if not claim.allowed]


def _spaced(text: str) -> str:
    return text.replace("_", " ").replace(".", " ")


def _named(words: Sequence[Word]) -> set[str]:
    return {word.name for word in words if word.sort is Sort.METRIC}


def _is_unit(metric: str, unit: Sequence[Word]) -> bool:
    """Whether a unit is the metric itself; "FID above the paper's" is a difference of two."""
    if metric == "speed-up":
        return any(word.low in ("times", "faster", "speedup", "ratio") for word in unit)
    return len(unit) == 1 and unit[0].name == metric


def _metrics(fact: KnownFact, names: Vocabulary) -> frozenset[str]:
    """Metrics that the first words of a fact's title or prose name."""
    texts = (fact.title, fact.says)
    return frozenset(name for text in texts for name in _named(names.tag(text)[:_TITLE]))


def _supports(evidence: Evidence, names: Vocabulary) -> Iterator[Support]:
    sound = {clause.id: clause for clause in evidence.clauses if clause.sound}
    for claim in evidence.claims:
        if claim.allowed:
            needed = [clause for clause in evidence.clauses if _needs(claim, clause.id)]
            exact = bool(needed) and all(c.id in sound and c.exact for c in needed)
            yield _support(claim.id, claim.sentence, claim.title, names, exact, None, claim)
    for clause in sound.values():
        bound = clause.measured if clause.measured is not None else None
        if "tolerance" in clause.unit or clause.exact:
            bound = 0.0 if clause.exact else None
        yield _support(clause.id, clause.statement, "", names, clause.exact, bound, clause)


def _needs(claim: KnownClaim, clause: str) -> bool:
    return any(fnmatchcase(clause, pattern) for pattern in claim.clauses)


def _support(
    name: str,
    sentence: str,
    title: str,
    names: Vocabulary,
    exact: bool,
    bound: float | None,
    known: KnownClaim | KnownClause,
) -> Support:
    words = names.tag(f"{sentence} {title}")
    cited = known.authorities if isinstance(known, KnownClause) else ()
    return Support(
        id=name,
        sentence=sentence,
        topic=names.topic(words),
        stems=frozenset(stem(word.low) for word in split(f"{sentence} {title}")),
        authorities=frozenset({w.name for w in words if w.sort is Sort.AUTHORITY} | set(cited)),
        numbers=frozenset(w.value for w in words if w.value is not None),
        columns=names.columns_in(sentence, title, name.replace("-", " ")),
        agrees=holds((*assertions.PARITY_WITH, *assertions.PARITY_ALONE), words),
        exact=exact,
        says_exactly=holds(assertions.EXACT, words),
        bound=bound,
        semantics=known.semantics,
        axis=known.axis,
    )


# -- whether a support carries an assertion -------------------------------------------------------


def shortfall(support: Support, assertion: Assertion, act: Act, cue: str) -> str | None:
    """What a support lacks to carry an assertion, in words; None where it carries it."""
    missing = assertion.topic - support.topic
    if not assertion.topic or len(missing) > (1 - SHARE) * len(assertion.topic):
        return "it speaks of less"
    if assertion.columns and support.columns and not assertion.columns <= support.columns:
        return f"it is about {', '.join(sorted(support.columns))}"
    if act is Act.PARITY and not support.agrees:
        return "it speaks of no agreement"
    if act is Act.SUPERIORITY and not stems(cue) <= support.stems:
        return "it compares nothing"
    if not stems(cue) & _QUALITY <= support.stems:
        return "it says nothing of quality"
    others = assertion.named - support.authorities - {ANY_SOURCE}
    if others:
        return f"its evidence is not about {', '.join(sorted(others))}"
    if assertion.semantics and support.semantics and assertion.semantics != support.semantics:
        return f"its evidence is about {support.semantics} semantics"
    if support.axis not in (None, Axis.PAPER_EVAL) and support.axis is not assertion.axis:
        return f"its evidence is on the {support.axis} axis, which the text does not name"
    if assertion.exact and not support.exact:
        return "it holds within a tolerance, not exactly"
    if assertion.bound is not None and not support.exact:
        if support.bound is None:
            return "it states no difference that compares with the bound"
        if support.bound > assertion.bound:
            return f"the difference is {support.bound:.2g}, which is more than {assertion.bound:g}"
    stated = {n for n in assertion.numbers if n != assertion.bound}
    return None if stated <= support.numbers else "its numbers are others"


_QUALITY = frozenset(stem(word) for word in assertions.QUALITY)


def stems(cue: str) -> set[str]:
    """Stems of all words of a cue."""
    return {stem(word.low) for word in split(cue)}


def carrying(
    offered: Iterable[Support], assertion: Assertion, act: Act, cue: str
) -> Support | None:
    """The first support that carries an assertion."""
    return next((s for s in offered if shortfall(s, assertion, act, cue) is None), None)


def nearest(offered: Iterable[Support], assertion: Assertion, act: Act) -> Support | None:
    """The support that shares most words with an assertion; None where none shares enough."""

    def common(support: Support) -> tuple[int, bool]:
        return len(support.topic & assertion.topic), bool(support.authorities & assertion.named)

    fitting = [support for support in offered if support.agrees or act is not Act.PARITY]
    best = max(fitting, key=common, default=None)
    return best if best is not None and akin(best.topic, assertion.topic) else None


def akin(topic: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two topics share enough that one may stand in for the other."""
    return 2 * len(topic & other) >= max(1, len(other)) if other else False
