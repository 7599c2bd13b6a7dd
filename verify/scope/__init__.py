"""The scope solver: from results, decisions and waivers to what may be said. Pure functions.

A claim is allowed when every clause it needs passed and every falsifier of those clauses turned it
red, when the numbers among them are on the axis and above the floors it asks for, and when what it
rests on is decided. Its tier follows from the axes; a claim without any says something about the
pipeline only (tier C, DEC-0208). Unknown never counts as pass. A claim may have a bounded form,
which is said where the strict one may not be and never in its words.
"""

from verify.scope.evidence import Evidence
from verify.scope.solver import solve, solve_claim
from verify.scope.tiers import TIER_OF_AXIS, Form, Scope, Tier, rank
from verify.scope.unlock import with_leaves
from verify.scope.verdicts import ClaimVerdict, Leaf, LeafKind, Unlock, WaiverNote
from verify.spec.floors import Floors, floors

__all__ = [
    "TIER_OF_AXIS",
    "ClaimVerdict",
    "Evidence",
    "Floors",
    "Form",
    "Leaf",
    "LeafKind",
    "Scope",
    "Tier",
    "Unlock",
    "WaiverNote",
    "floors",
    "rank",
    "solve",
    "solve_claim",
    "with_leaves",
]
