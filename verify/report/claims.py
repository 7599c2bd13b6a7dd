"""Claims in words, the same in every rendering and in `verify explain`."""

from __future__ import annotations

from verify.scope import ClaimVerdict, Form, Scope, Unlock, WaiverNote


def verdict(claim: ClaimVerdict) -> str:
    """Scope, tier and, where it is not the strict one, the form."""
    if claim.scope is Scope.DENIED:
        return str(claim.scope)
    form = f", {claim.form} form" if claim.form is not Form.STRICT else ""
    return f"{claim.scope}, tier {claim.tier}{form}"


def about(claim: ClaimVerdict) -> str:
    """Which sentence, of whom, under which semantics and on which axis."""
    semantics = f", {claim.semantics} semantics" if claim.semantics else ""
    axis = f", numbers on {claim.axis}" if claim.axis else ""
    counted = f"{claim.passed}/{claim.needed} needed clauses pass"
    return f"{claim.form} form, subject {claim.subject}{semantics}{axis}; {counted}"


def waiver(note: WaiverNote) -> str:
    """A waiver with its owner, its reason and its last day."""
    return f"waiver of {note.clause} by {note.owner} until {note.expires}: {note.reason}"


def raises_to(unlock: Unlock) -> str:
    """What an unlock set raises its claim to."""
    form = f", {unlock.form} form" if unlock.form is not Form.STRICT else ""
    return f"{unlock.scope}, tier {unlock.tier}{form}"


def steps(unlock: Unlock) -> list[tuple[str, str]]:
    """Each leaf: what has to be, and the command for it."""
    return [(leaf.text, leaf.command) for leaf in unlock.leaves]


def shortest(claim: ClaimVerdict) -> str:
    """The first leaf and how many there are, or why there is none; empty for a whole claim."""
    if claim.unlock is None:
        return f"no way up: {claim.capped}" if claim.scope is Scope.DENIED else ""
    first, *rest = claim.unlock.leaves
    more = f", and {len(rest)} more" if rest else ""
    count = len(claim.unlock.leaves)
    steps = "1 step" if count == 1 else f"{count} steps"
    return f"{steps} to {raises_to(claim.unlock)}: {first.command}{more}"
