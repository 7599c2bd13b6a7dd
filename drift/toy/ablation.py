"""The drifting loss without its repulsion: "V+ only" of the paper's Table 1 (DEC-0001).

Affinities, their sums and all normalisations are those of `drift.loss`, whose functions are called
here one by one. What is dropped is the force that the generated samples exert on one another: their
coefficients are set to zero, and with them their share of -(sum_j c_j) x.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drift import clouds, loss
from drift.semantics import semantics_named


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
    call = clouds.gather(gen, pos, None, None, None, None)
    with torch.no_grad():
        dist = torch.cat([loss.distances(call.gen, y) for y in call.targets], dim=-1)
        scale = loss.mean_distance(dist, call.weight)
        c = loss.coordinate_scale(scale, gen.shape[-1])
        d_n = loss.normalised_distances(dist, scale, switches)
        total, info = torch.zeros_like(call.gen), {"scale": scale}
        for tau in taus:
            coefficients = loss.pair_coefficients(d_n / -tau, call, switches)
            coefficients[..., : call.repelling] = 0.0  # V+ alone
            raw = loss.force(coefficients, call) / c
            f = loss.force_power(raw)
            info[f"loss_{tau}"] = f
            total += raw / f.clamp_min(loss.FORCE_POWER_FLOOR).sqrt()
    drift = loss.Drift(total, c, loss.mean_square(total), info)
    return loss.attach_gradient(gen, drift), info
