"""Other losses than the method's, to be measured beside it; each is off unless it is named.

A variant replaces the coefficients of all pairs (`drift.kernels`), so that distances, scales, the
floor, norms and the regression stay the method's. A force is sum_j a_j (y_j - x): where the
coefficients of a sample do not add up to zero, the rest is put on the sample itself.

No template can name one. Shapes as in `drift.pairs`: [B, R, G, T], the first G targets being the
generated samples themselves; `repelling` of the T targets repel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Protocol

from torch import Tensor

from drift import pairs
from drift.semantics import Semantics

LEAST = 1.0e-30  # weight; its logarithm is still a number
COUPLED = 20  # times that Sinkhorn's coupling is scaled to its sums


class Affinity(Protocol):
    """(logits [B, R, G, T], weight [B, 1, T], G + N, switches) -> A [B, R, G, T]."""

    def __call__(
        self, logits: Tensor, weight: Tensor, repelling: int, switches: Semantics
    ) -> Tensor:
        """The affinities of one call."""


def over_both(logits: Tensor, weight: Tensor, repelling: int, switches: Semantics) -> Tensor:
    """The method's: the root of the product of both softmaxes (Algorithm 2)."""
    both = pairs.softmaxes(logits, weight, switches)
    return pairs.affinities(*both, switches.affinity_floor)


def over_targets(logits: Tensor, weight: Tensor, repelling: int, switches: Semantics) -> Tensor:
    """Softmax over y alone (Table 11)."""
    return logits.softmax(dim=-1).clamp_min_(switches.affinity_floor**0.5)


def unnormalised(logits: Tensor, weight: Tensor, repelling: int, switches: Semantics) -> Tensor:
    """exp(logits) (Table 11); of each group measured from its nearest pair, or none would be left.

    That factor is one for all pairs of a group: it weighs groups against each other and no more.
    """
    return logits.exp().clamp_min_(switches.affinity_floor**0.5)


def coefficients(
    dist: Tensor, rates: Tensor, weight: Tensor, repelling: int, switches: Semantics, *,
    affinity: Affinity = over_both, attraction: float = 1.0, repulsion: float = 1.0,
) -> Tensor:  # fmt: skip
    """a_j of attraction V+ - repulsion V- (Table 1) under any affinity."""
    logits, weight = dist[:, None] * rates[:, None, None], weight[:, None]
    found = pairs.apply_weight(affinity(logits, weight, repelling, switches), weight)
    found = pairs.cross_weights(found, *pairs.side_sums(found, repelling), repelling)
    found[..., :repelling] *= repulsion
    found[..., repelling:] *= attraction
    return found if attraction == repulsion else balanced(found)


def balanced(found: Tensor) -> Tensor:
    """Coefficients [..., G, T] that add up to zero: the rest goes to y_i = x_i, in place."""
    found.diagonal(dim1=-2, dim2=-1).sub_(found.sum(dim=-1))
    return found


def decoupled(
    dist: Tensor, rates: Tensor, weight: Tensor, repelling: int, switches: Semantics
) -> Tensor:
    """Each side normalised by itself over its own targets: V = mean of y+ - mean of y-."""
    logits = dist[:, None] * rates[:, None, None] + _logarithm(weight)
    repel, attract = logits[..., :repelling], logits[..., repelling:]
    logits[..., :repelling] = -repel.softmax(dim=-1)
    logits[..., repelling:] = attract.softmax(dim=-1)
    return logits


def corrected(
    dist: Tensor, rates: Tensor, weight: Tensor, repelling: int, switches: Semantics
) -> Tensor:
    """`decoupled` without the bias of O(1/n) that a mean of shares has for being a ratio of sums.

    The delta method: m = sum p y is off by -sum p^2 (y - m), so p becomes p (1 + p - sum p^2).
    """
    found = decoupled(dist, rates, weight, repelling, switches)
    for side in (slice(None, repelling), slice(repelling, None)):
        shares = found[..., side].abs()
        found[..., side] *= 1.0 + shares - shares.square().sum(dim=-1, keepdim=True)
    return found


def coupled(
    dist: Tensor, rates: Tensor, weight: Tensor, repelling: int, switches: Semantics
) -> Tensor:
    """Sinkhorn's coupling of samples and each side: rows add up to 1, columns to G w / sum w.

    V = barycentre among y+ - barycentre among y-, as in an entropic transport map.
    """
    logits, logw = dist[:, None] * rates[:, None, None], _logarithm(weight)
    for side in (slice(None, repelling), slice(repelling, None)):
        logits[..., side] = _sinkhorn(logits[..., side], logw[..., side])
    logits[..., :repelling] *= -1.0
    return logits


def _logarithm(weight: Tensor) -> Tensor:
    """[B, T] -> [B, 1, 1, T]; finite, so that a weight of zero leaves a share that is none."""
    return weight.clamp_min(LEAST).log()[:, None, None]


def _sinkhorn(logits: Tensor, logw: Tensor) -> Tensor:
    """[..., G, T'] and log weights [..., 1, T'] -> the coupling, its rows adding up to one."""
    columns = logw.log_softmax(dim=-1)
    for _ in range(COUPLED):
        logits = logits - logits.logsumexp(dim=-2, keepdim=True) + columns
        logits = logits - logits.logsumexp(dim=-1, keepdim=True)
    return logits.exp()


Coefficients = Callable[[Tensor, Tensor, Tensor, int, Semantics], Tensor]
VARIANTS: Mapping[str, Coefficients] = MappingProxyType(
    {
        "1.5 V+ - V-": partial(coefficients, attraction=1.5),
        "V+ - 1.5 V-": partial(coefficients, repulsion=1.5),
        "2 V+ - V-": partial(coefficients, attraction=2.0),
        "V+ - 2 V-": partial(coefficients, repulsion=2.0),
        "V+ only": partial(coefficients, repulsion=0.0),
        "softmax over y": partial(coefficients, affinity=over_targets),
        "no normalisation": partial(coefficients, affinity=unnormalised),
        "decoupled": decoupled,
        "decoupled, corrected": corrected,
        "sinkhorn": coupled,
    }
)
