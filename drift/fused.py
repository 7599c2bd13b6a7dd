"""The coefficients of all temperatures in one Triton kernel, one program a group and temperature.

The two softmaxes, the floor, the weights, the sums of both sides and the coefficients of
`drift.pairs.pair_coefficients`, without a pass over memory in between. Tested in Triton's
interpreter (TRITON_INTERPRET=1) against the plain way; not measured: no GPU has run it yet.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from drift.errors import InputError
from drift.semantics import Semantics

LARGEST_TILE = 1 << 15  # pairs of a group, both sides rounded up to powers of two


def coefficients(
    dist: Tensor, rates: Tensor, weight: Tensor, repelling: int, switches: Semantics
) -> Tensor:
    """As `drift.kernels.coefficients_of` says; InputError for groups beyond LARGEST_TILE pairs."""
    groups, samples, targets = dist.shape
    rows, columns = triton.next_power_of_2(samples), triton.next_power_of_2(targets)
    if rows * columns > LARGEST_TILE:
        raise InputError(
            "kernel",
            found=f"'fused' for {samples} samples and {targets} targets of a group",
            expected=f"at most {LARGEST_TILE} pairs of a group, or plain or compiled",
        )
    out = dist.new_empty(groups, len(rates), samples, targets)
    if groups:
        _coefficients[(groups, len(rates))](
            dist.contiguous(),
            rates,
            weight.contiguous(),
            out,
            samples,
            targets,
            repelling,
            rates.new_tensor(switches.affinity_floor),  # a number would be cast to float32
            IN_KERNEL=switches.uncond_weight == "in_kernel",
            ROWS=rows,
            COLUMNS=columns,
            num_warps=8,
        )
    return out


@triton.jit  # type: ignore[untyped-decorator]
def _coefficients(  # type: ignore[no-untyped-def]
    dist,
    rates,
    weight,
    out,
    samples,
    targets,
    repelling,
    floor,
    IN_KERNEL: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """dist [B, G, T], rates [R], weight [B, T] -> out [B, R, G, T]; the grid is (B, R)."""
    group, temperature = tl.program_id(0).to(tl.int64), tl.program_id(1)
    i, j = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    inside = (i < samples) & (j < targets)
    place = i * targets + j

    d = tl.load(dist + group * samples * targets + place, mask=inside, other=0.0)
    w = tl.load(weight + group * targets + j, mask=j < targets, other=1.0)
    logits = tl.where(inside, d * tl.load(rates + temperature), float("-inf"))

    over_samples = tl.exp(logits - tl.max(tl.where(j < targets, logits, 0.0), axis=0)[None, :])
    product = over_samples / tl.sum(tl.where(j < targets, over_samples, 1.0), axis=0)[None, :]
    if IN_KERNEL:
        logits += tl.where(w > 0.0, tl.log(tl.where(w > 0.0, w, 1.0)), float("-inf"))
    over_targets = tl.exp(logits - tl.max(tl.where(i < samples, logits, 0.0), axis=1)[:, None])
    product *= over_targets / tl.sum(tl.where(i < samples, over_targets, 1.0), axis=1)[:, None]

    affinity = tl.where(inside, tl.sqrt(tl.maximum(product, tl.load(floor))), 0.0)
    if not IN_KERNEL:
        affinity *= w
    sum_pos = tl.sum(tl.where(j >= repelling, affinity, 0.0), axis=1)[:, None]
    sum_neg = tl.sum(tl.where(j < repelling, affinity, 0.0), axis=1)[:, None]
    signed = tl.where(j >= repelling, affinity * sum_neg, -affinity * sum_pos)
    row = group * tl.num_programs(1) + temperature
    tl.store(out + row * samples * targets + place, signed, mask=inside)
