"""What the drifting loss regresses on, and its gradient: scale, forces, their norms and their sum.

Shapes as in `drift.loss`; R temperatures. Groups are treated a few at a time, a piece, whose pairs
stay in cache, and all temperatures of a piece together. Two sums over groups couple them: that of
the distances, without which nothing can be normalised, and that of the products of forces, whose
mean squares are f. Each is one collective where the groups are spread over processes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import torch
from torch import Tensor

from drift import clouds, heap, kernels, pairs, trace
from drift.errors import InputError
from drift.passes import Drift as Drift
from drift.passes import Measured, Near
from drift.passes import Pulled as Pulled
from drift.semantics import Semantics
from drift.totals import ProcessGroup, totals

Number = TypeVar("Number", float, Tensor)

FORCE_POWER_FLOOR = 1.0e-8  # of f, the mean square of the force of one temperature

PIECE_BYTES = 1 << 23  # of what is held of the groups that are treated at once
# With several threads each operation waits for all of them, so there have to be few operations.
PIECE_BYTES_THREADED = 1 << 24
OF_A_TEMPERATURE = 3  # tensors of pairs: the logits and both softmaxes
KEPT_BYTES = 1 << 25  # of distances that are kept until the scale is known, not computed again
KEPT_SAMPLES_BYTES = 1 << 24  # of the centred samples beside them
SLAB_BYTES = 40 << 20  # of forces in one allocation: beyond 32 MB the system gets it back at once


def drifts(
    calls: Mapping[str, clouds.Clouds],
    taus: Sequence[float],
    switches: Semantics,
    group: ProcessGroup | None,
    kernel: str = "plain",
    *,
    of_mean: bool = False,
) -> dict[str, Drift]:
    """Losses, their gradient and the raw figures of several calls, by name.

    of_mean  the gradient is that of the mean over the groups of all processes, not of the sum

    Two sums over groups are needed: of the distances, before anything can be normalised, and of the
    products of forces. Those of all calls travel together.
    """
    heap.keep()
    coefficients_of = kernels.coefficients_of(kernel, pairs.Room())
    measured, room = dict[str, Measured](), KEPT_BYTES
    for name, call in calls.items():
        with _stages(name):
            measured[name] = _measure(call, len(taus), room)
        room -= measured[name].bytes
    pulled = dict[str, Pulled]()
    sums = distance_totals([one.figures for one in measured.values()], group)
    for name, total in zip(calls, sums, strict=True):
        with _stages(name):  # what is kept of a call is gone after it
            pulled[name] = _pull(measured.pop(name), total, taus, switches, group, coefficients_of)
    sums = power_totals([one.products for one in pulled.values()], group)
    return {
        name: outcome(one, total, taus, switches, of_mean)
        for (name, one), total in zip(pulled.items(), sums, strict=True)
    }


def _stages(name: str) -> AbstractContextManager[None]:
    return trace.scope(f"{name}/step32" if name else "step32")


def _measure(call: clouds.Clouds, temperatures: int, room: int) -> Measured:
    """Distances of all pairs, kept where they take no more than `room` bytes."""
    figures, kept = list[Tensor](), list[Near | None]()
    few = _samples_bytes(call) <= min(KEPT_SAMPLES_BYTES, room - pairs_bytes(call))
    for piece in clouds.pieces(call, _groups_at_once(call, temperatures)):
        some = clouds.centred(piece)
        dist = pairs.distances(some.gen, some.targets)
        trace.record("dist", dist)
        figures.append(distance_sums(dist, piece.weight))
        kept.append(Near(dist, some if few else None) if pairs_bytes(call) <= room else None)
    return Measured(call, torch.cat(figures), kept)


def pairs_bytes(call: clouds.Clouds) -> int:
    """What the distances of a call take."""
    return call.weight.numel() * call.gen.shape[1] * call.gen.element_size()


def _samples_bytes(call: clouds.Clouds) -> int:
    return call.weight.numel() * call.gen.shape[2] * call.gen.element_size()


def _groups_at_once(call: clouds.Clouds, temperatures: int) -> int:
    """Groups whose targets and tensors of pairs fit into PIECE_BYTES; all of them for a trace."""
    if trace.active():
        return max(len(call.gen), 1)
    room = PIECE_BYTES if torch.get_num_threads() == 1 else PIECE_BYTES_THREADED
    tensors = 1 + OF_A_TEMPERATURE * temperatures
    of_all = tensors * pairs_bytes(call) + _samples_bytes(call)
    return max(1, room * len(call.gen) // max(1, of_all))


def distance_sums(dist: Tensor, weight: Tensor) -> Tensor:
    """dist [B, G, T], weight [B, T] -> [B, 3]: mean of d w over i, j, mean of w, and one."""
    weighted = (dist.mean(dim=1) * weight).mean(dim=1)
    return torch.stack([weighted, weight.mean(dim=1), torch.ones_like(weighted)], dim=1)


def distance_totals(figures: Sequence[Tensor], group: ProcessGroup | None) -> list[Tensor]:
    """Figures [B, 3] of each call -> [3], over the groups of all processes."""
    return totals(figures, group)


def mean_distance(total: Tensor) -> Tensor:
    """scale = mean(d w_j) / mean(w_j) over the whole call, self-distances included (A.6, A.7)."""
    weighted, weight, groups = total.unbind(dim=-1)
    if trace.active():
        trace.record("weighted_dist_mean", weighted / groups)
        trace.record("targets_w_mean", weight / groups)
    return weighted / weight


def coordinate_scale(scale: Tensor, features: int) -> Tensor:
    """c, the divisor of coordinates: after it the mean distance is sqrt(S) (A.6)."""
    return (scale / math.sqrt(features)).clamp_min(pairs.SCALE_FLOOR)


def _pull(
    measured: Measured,
    total: Tensor,
    taus: Sequence[float],
    switches: Semantics,
    group: ProcessGroup | None,
    coefficients_of: kernels.Coefficients,
) -> Pulled:
    """The forces of all temperatures, piece by piece."""
    call = measured.call
    groups, _, features = call.gen.shape
    require_groups(groups or bool(total[..., -1].any()))
    scale = mean_distance(total).to(call.gen.dtype)
    trace.record("scale", scale)
    c = coordinate_scale(scale, features)
    trace.record("scale_inputs", c)
    at_once = _groups_at_once(call, len(taus))
    each = torch.split(scale.expand(groups, 1, 1), at_once)
    slabs = _places(call, len(taus))
    places = [place for slab in slabs for place in torch.split(slab, at_once)]
    forces, inner = list[Tensor](), list[Tensor]()
    pieces = clouds.pieces(call, at_once)
    for piece, near, of_piece, place in zip(pieces, measured.kept, each, places, strict=True):
        some = near.call if near and near.call else clouds.centred(piece)
        dist = near.dist if near else pairs.distances(some.gen, some.targets)
        d_n = pairs.normalised_distances(dist, of_piece, switches)
        trace.record("dist_normed_masked", d_n)
        if trace.active():
            forces.append(_traced_forces(d_n, some, taus, switches, c, group))
        else:
            forces.append(_forces(d_n, some, taus, switches, coefficients_of, place))
        inner.append(products(forces[-1], coordinate_scale(of_piece, features)))
    return Pulled(forces, torch.cat(inner), scale, c)


def require_groups(groups: float) -> None:
    """There is nothing to average over none."""
    if not groups:
        raise InputError("gen", found="no groups on any process", expected="at least one group")


def nearness(d_n: Tensor) -> Tensor:
    """d_n [B, G, T] less the smallest of each group: the same softmaxes of smaller numbers.

    A logit of 50 is rounded by 3e-6 in float32, and its exponential with it.
    """
    return d_n - d_n.amin(dim=(-2, -1), keepdim=True)


def _places(call: clouds.Clouds, temperatures: int) -> list[Tensor]:
    """Where the forces [., R, G, S] go: a few large allocations, each of whole pieces."""
    groups, *of_one = call.gen.shape
    at_once = _groups_at_once(call, temperatures)
    bytes_of_one = max(1, call.gen[:1].nbytes * temperatures)
    slab = at_once * max(1, SLAB_BYTES // (bytes_of_one * at_once))
    return [
        call.gen.new_empty(min(slab, groups - start), temperatures, *of_one)
        for start in range(0, max(groups, 1), slab)
    ]


def _forces(
    d_n: Tensor,
    call: clouds.Centred,
    taus: Sequence[float],
    switches: Semantics,
    coefficients_of: kernels.Coefficients,
    out: Tensor,
) -> Tensor:
    """Forces [B, R, G, S] in the units of the input, all temperatures at once."""
    rates = d_n.new_tensor([-1.0 / tau for tau in taus])
    coefficients = coefficients_of(nearness(d_n), rates, call.weight, call.repelling, switches)
    return pairs.force(coefficients, call, out)


def _traced_forces(
    d_n: Tensor,
    call: clouds.Centred,
    taus: Sequence[float],
    switches: Semantics,
    c: Tensor,
    group: ProcessGroup | None,
) -> Tensor:
    """The same, temperature by temperature, each with its stages."""
    forces = []
    for tau in taus:
        with trace.scope(f"R{tau}"):
            coefficients = pairs.pair_coefficients(
                nearness(d_n) * (-1.0 / tau), call.weight, call.repelling, switches
            )
            forces.append(pairs.force(coefficients, call))
            trace.record("force_raw", forces[-1] / c)
            (total,) = power_totals([products(forces[-1][:, None], c)], group)
            f = force_power(_mean_products(total)).to(d_n.dtype)
            trace.record("f_norm", f[..., 0])
            trace.record("force_scale", force_norm(f)[..., 0])
    return torch.stack(forces, dim=1)


def products(forces: Tensor, c: Tensor) -> Tensor:
    """[B, R, G, S] -> [B, R, R]: mean over G and S of F_tau F_tau', in normalised coordinates."""
    flat = forces.flatten(2)
    return torch.bmm(flat, flat.mT) / (c.square() * flat.shape[2])


def with_count(products: Tensor) -> Tensor:
    """[B, R, R] -> [B, R R + 1]: the figures that are added up, and one for each group."""
    return torch.nn.functional.pad(products.flatten(1), (0, 1), value=1.0)


def _mean_products(total: Tensor) -> Tensor:
    """[..., R R + 1] -> [..., R, R]."""
    size = math.isqrt(total.shape[-1] - 1)
    return torch.unflatten(total[..., :-1] / total[..., -1:], -1, (size, size))


def power_totals(products: Sequence[Tensor], group: ProcessGroup | None) -> list[Tensor]:
    """Products [B, R, R] of each call -> [R R + 1], over groups everywhere."""
    return totals([with_count(one) for one in products], group)


def force_power(products: Tensor) -> Tensor:
    """f [..., R]: the mean square of the force over the whole call (A.6: the entire batch)."""
    return products.diagonal(dim1=-2, dim2=-1)


def force_norm(f: Tensor) -> Tensor:
    """What the force of a temperature is divided by, [..., R]."""
    return f.clamp_min(FORCE_POWER_FLOOR).sqrt()


def gradient_factor(shape: Sequence[int], c: Number) -> Number:
    """-2 / (G S c), of a shape [..., G, S]: times the force it is d (sum_b loss[b]) / d gen."""
    return -2.0 / math.prod(shape[-2:]) / c


def outcome(
    pulled: Pulled,
    total: Tensor,
    taus: Sequence[float],
    switches: Semantics,
    of_mean: bool = False,
) -> Drift:
    """Losses, their gradient, and the figures of the call."""
    mean = _mean_products(total)
    f = force_power(mean)
    norms = force_norm(f)
    dtype = pulled.scale.dtype
    groups = total[..., -1].to(dtype)
    factor = gradient_factor(pulled.forces[0].shape, pulled.coordinate_scale).reshape(-1, 1)
    if of_mean:
        factor = factor / groups.reshape(-1, 1)
    info = {"scale": pulled.scale}
    info |= {f"loss_{tau}": f[..., i].to(dtype) for i, tau in enumerate(taus)}
    return Drift(
        summed_force(pulled, norms.to(dtype), factor),
        pulled.coordinate_scale,
        objective(pulled.products, norms.to(dtype), switches),
        objective(mean, norms, switches).to(dtype),
        groups,
        info,
    )


def summed_force(pulled: Pulled, norms: Tensor, factor: Tensor) -> Tensor:
    """[B, G, S]: the sum over R of forces over c and their norms [R], times a factor [1, 1].

    Consumes the forces.
    """
    groups, temperatures = pulled.products.shape[:2]
    divisors = (norms * pulled.coordinate_scale.reshape(-1, 1)).expand(groups, temperatures)
    of_all = factor / divisors
    total = pulled.forces[0].new_empty(groups, *pulled.forces[0].shape[2:])
    start = 0
    while pulled.forces:
        some = pulled.forces.pop(0)
        stop = start + len(some)
        shares = of_all[start:stop, None]
        torch.bmm(shares, some.flatten(2), out=total[start:stop].flatten(1)[:, None])
        start = stop
    return total


def objective(products: Tensor, norms: Tensor, switches: Semantics) -> Tensor:
    """loss [...] of [..., R, R] and [..., R]: of the summed force, or the sum over R of one each.

    mean |sum F / n|^2 = sum over both temperatures of mean (F_tau F_tau') / (n_tau n_tau').
    """
    shares = products / (norms[..., :, None] * norms[..., None, :])
    if switches.temperature_aggregation == "sum_forces":
        return shares.sum(dim=(-2, -1))
    return shares.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
