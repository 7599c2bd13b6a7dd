"""The ordered words of a claim's verdict: its tier, whether it may be said, and in which form."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from verify.outcome import Axis


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


class Form(StrEnum):
    """Which sentence of a claim a verdict is about."""

    STRICT = "strict"
    BOUNDED = "bounded"  # the weaker sentence, which names its own bound


TIER_OF_AXIS = {
    Axis.PAPER_EVAL: Tier.A,
    Axis.REPO_EVAL: Tier.B,
    Axis.PROXY: Tier.C,
    Axis.SMOKE: Tier.C,
    Axis.EXTERNAL: Tier.NONE,
}
_TIERS = list(Tier)  # the strongest first
_AXES = list(Axis)
_SCOPES = list(Scope)


def weakest_tier(tiers: Iterable[Tier]) -> Tier:
    """The weakest of some tiers."""
    return _TIERS[max(map(_TIERS.index, tiers))]


def weakest_axis(axes: Iterable[Axis]) -> Axis:
    """The weakest of some axes."""
    return _AXES[max(map(_AXES.index, axes))]


def stronger_axes(axis: Axis) -> list[Axis]:
    """The axes above one, the nearest first."""
    return _AXES[: _AXES.index(axis)][::-1]


def lowered(tier: Tier) -> Tier:
    """One tier below, but never below C: a waived claim is still about the pipeline."""
    at = _TIERS.index(tier)
    return tier if tier is Tier.NONE else _TIERS[min(at + 1, _TIERS.index(Tier.C))]


def rank(tier: Tier, scope: Scope, form: Form) -> tuple[int, int, int]:
    """A verdict's strength: its tier, then its conditions, then its form."""
    return -_TIERS.index(tier), -_SCOPES.index(scope), int(form is Form.STRICT)
