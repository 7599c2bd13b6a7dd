"""The smallest set of leaves whose change raises a claim.

What a form lacks is a conjunction: for a form, an axis for its numbers and a choice to keep or to
remove its waivers there is exactly one least set of leaves. The candidates are these sets; each is
tried in the model, and the smallest of those that reach the lowest tier above is the answer. None
of its leaves can be left out: a part of it that raised the claim would hold a smaller candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from verify.outcome import Outcome
from verify.scope.evidence import Evidence
from verify.scope.forms import Question, lacking
from verify.scope.leaves import changed
from verify.scope.tiers import rank, stronger_axes
from verify.scope.verdicts import ClaimVerdict, Leaf, LeafKind, Unlock
from verify.spec.model import Pack

Solver = Callable[[Pack, Evidence], ClaimVerdict]
Found = tuple[ClaimVerdict, tuple[Leaf, ...]]


def unlock(
    now: ClaimVerdict,
    asked: Iterable[Question],
    pack: Pack,
    evidence: Evidence,
    solver: Solver,
) -> Unlock | None:
    """What raises a claim by one tier, or else lifts its conditions; None where nothing does."""
    sets = dict.fromkeys(leaves for q in asked for leaves in _candidates(q, pack, evidence))
    tried = [(solver(*with_leaves(leaves, pack, evidence)), leaves) for leaves in sets if leaves]
    better = [one for one in tried if _rank(one[0]) > _rank(now)]
    if not better:
        return None
    higher = [one for one in better if _tier(one[0]) > _tier(now)]
    then, leaves = min(higher or better, key=_cost)
    return Unlock(then.tier, then.scope, then.form, _in_order(leaves))


def with_leaves(leaves: Iterable[Leaf], pack: Pack, evidence: Evidence) -> tuple[Pack, Evidence]:
    """The situation in which all these leaves are as they have to be."""
    for leaf in leaves:
        pack, evidence = changed(leaf, pack, evidence)
    return pack, evidence


def _candidates(question: Question, pack: Pack, evidence: Evidence) -> Iterator[tuple[Leaf, ...]]:
    """Sets of leaves that would carry one form: as it is, and on each stronger axis."""
    axis = question.needs.axis
    levels = [question, *(question.asking(one) for one in stronger_axes(axis))] if axis else []
    for asked in levels or [question]:
        lacks = list(lacking(asked, pack, evidence))
        leaves = [lack.leaf for lack in lacks if lack.leaf is not None]
        if len(leaves) < len(lacks):
            continue  # no evidence would do
        kept = tuple(dict.fromkeys(leaves))
        yield kept
        yield tuple(dict.fromkeys([*kept, *_waivers(asked, pack, evidence, kept)]))


def _waivers(
    question: Question, pack: Pack, evidence: Evidence, kept: tuple[Leaf, ...]
) -> Iterator[Leaf]:
    """Waivers of the form that no other leaf replaces by a pass."""
    passing = {leaf.name for leaf in kept if leaf.kind is LeafKind.EVIDENCE}
    leaves = question.leaves(pack, evidence)
    for clause in question.clauses:
        if evidence.outcome(clause.id) is Outcome.WAIVED and clause.id not in passing:
            yield leaves.waiver(clause)


def _tier(verdict: ClaimVerdict) -> int:
    return _rank(verdict)[0]


def _rank(verdict: ClaimVerdict) -> tuple[int, int, int]:
    return rank(verdict.tier, verdict.scope, verdict.form)


def _cost(found: Found) -> tuple[int, int, tuple[int, ...]]:
    """The lowest tier first, then the fewest leaves, then the better verdict."""
    then, leaves = found
    return _tier(then), len(leaves), tuple(-part for part in _rank(then))


def _in_order(leaves: Iterable[Leaf]) -> tuple[Leaf, ...]:
    """Cheap ones first: what a run settles, then decisions, then what has to be measured."""
    order = [
        LeafKind.SUBJECT,
        LeafKind.CLAUSE,
        LeafKind.FALSIFIER,
        LeafKind.WAIVER,
        LeafKind.SIGNATURE,
        LeafKind.DETECTION,
        LeafKind.DECISION,
        LeafKind.EVIDENCE,
    ]
    return tuple(sorted(leaves, key=lambda leaf: order.index(leaf.kind)))
