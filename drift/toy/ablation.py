"""The drifting loss without its repulsion: "V+ only" of the paper's Table 1 (DEC-0001).

Affinities, their sums and all normalisations are those of the whole loss, whose functions are
called here one by one. What is dropped is the force that the generated samples exert on one
another: their coefficients are set to zero, and with them their share of -(sum_j a_j) x.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drift import clouds, loss, pairs, target
from drift.semantics import Semantics, semantics_named


def attraction_only_loss(
    gen: Tensor,
    pos: Tensor,
    *,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),
    semantics: str = "reference",
) -> tuple[Tensor, dict[str, Tensor]]:
    """gen [B, G, S], pos [B, P, S] -> loss [B] and info, as `drift.loss.drift_loss` gives them."""
    switches = semantics_named(semantics)
    taus = clouds.checked_temperatures(temperatures)
    whole = clouds.gather(gen, pos, None, None, None, None, sharded=False)
    with torch.no_grad():
        call = clouds.centred(whole)
        dist = pairs.distances(call.gen, call.targets)
        (total,) = target.distance_totals([target.distance_sums(dist, call.weight)], None)
        scale = target.mean_distance(total).to(dist.dtype)
        c = target.coordinate_scale(scale, gen.shape[-1])
        d_n = pairs.normalised_distances(dist, scale, switches)
        forces = torch.stack(
            [_attraction(target.nearness(d_n) * (-1.0 / tau), call, switches) for tau in taus],
            dim=1,
        )
        pulled = target.Pulled([forces], target.products(forces, c), scale, c)
        (total,) = target.power_totals([pulled.products], None)
        drift = target.outcome(pulled, total, taus, switches)
    return loss.attach_gradient(gen, drift), drift.info


def _attraction(logits: Tensor, call: clouds.Centred, switches: Semantics) -> Tensor:
    """The force [B, G, S] of the positives alone."""
    coefficients = pairs.pair_coefficients(logits, call.weight, call.repelling, switches)
    coefficients[..., : call.repelling] = 0.0
    coefficients.diagonal(dim1=-2, dim2=-1).sub_(coefficients.sum(dim=-1))  # y_i is x_i there
    return pairs.force(coefficients, call)
