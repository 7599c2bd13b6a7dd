"""Laws of the drifting field (paper, Algorithm 2), and the mistakes that break them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

import drift.field
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import Array, as_array, largest
from verify.numeric.laws import judge_law

from ..common import oracle
from ..common.draws import FieldDraw, field_draws

OF_FIELD = "of max |V|"
NEEDS = ("drifting_field",)


def field_of(
    ctx: CheckContext, draw: FieldDraw, x: Array, pos: Array, neg: Array, **options: Any
) -> Array:
    """The subject's V on arrays, in float64 unless the clause says otherwise."""
    dtype = getattr(torch, ctx.params.get("dtype", "float64"))
    clouds = [torch.tensor(cloud, dtype=dtype) for cloud in (x, pos, neg)]
    chosen = {"temperature": draw.temperature, "normalize": draw.normalize, **options}
    return as_array(ctx.subject.drifting_field(*clouds, **chosen))


def relative(difference: Array, reference: Array) -> float:
    """max |difference| / max |reference|."""
    return largest(difference) / max(largest(reference), np.finfo(np.float64).tiny)


def judge_pair(
    ctx: CheckContext, law: str, pair: Callable[[FieldDraw], tuple[Array, Array]], examples: Any
) -> Measurement:
    """Two arrays that the law says are the same, for drawn clouds."""

    def error(draw: FieldDraw) -> float:
        got, expected = pair(draw)
        return relative(got - expected, expected)

    return judge_law(ctx, examples, error, law=law, unit=OF_FIELD)


@check("field.antisymmetry", needs=NEEDS)
def antisymmetry(ctx: CheckContext) -> Measurement:
    """V(x; p, q) = -V(x; q, p)."""

    def pair(draw: FieldDraw) -> tuple[Array, Array]:
        x, pos, neg = draw.clouds()
        return field_of(ctx, draw, x, pos, neg), -field_of(ctx, draw, x, neg, pos)

    return judge_pair(ctx, "swapping the clouds flips the sign", pair, field_draws())


@check("field.equilibrium", needs=NEEDS)
def equilibrium(ctx: CheckContext) -> Measurement:
    """V = 0 for equal multisets, as a fraction of V after one of them has moved by one spread."""

    def error(draw: FieldDraw) -> float:
        x, pos, _ = draw.clouds()
        same = draw.generator().permutation(pos)
        moved = field_of(ctx, draw, x, pos, pos + draw.spread)
        return relative(field_of(ctx, draw, x, pos, same), moved)

    law = "the field vanishes where both clouds are the same multiset"
    return judge_law(ctx, field_draws(), error, law=law, unit=OF_FIELD)


@check("field.permutation", needs=NEEDS)
def permutation(ctx: CheckContext) -> Measurement:
    """The order of the positives and of the negatives does not matter."""

    def pair(draw: FieldDraw) -> tuple[Array, Array]:
        x, pos, neg = draw.clouds()
        rng = draw.generator()
        shuffled = field_of(ctx, draw, x, rng.permutation(pos), rng.permutation(neg))
        return shuffled, field_of(ctx, draw, x, pos, neg)

    return judge_pair(ctx, "permuting either cloud leaves the field", pair, field_draws())


@check("field.equivariance", needs=NEEDS)
def equivariance(ctx: CheckContext) -> Measurement:
    """Permuting x permutes V, without the self mask and with it."""

    def pair(draw: FieldDraw) -> tuple[Array, Array]:
        x, pos, neg = draw.clouds()
        order = draw.generator().permutation(draw.n)
        pairs = [
            (field_of(ctx, draw, x[order], pos, b), field_of(ctx, draw, x, pos, a)[order])
            for a, b in ((neg, neg), (x, x[order]))
        ]
        masked = field_of(ctx, draw, x[order], pos, x[order], mask_self=True)
        pairs.append((masked, field_of(ctx, draw, x, pos, x, mask_self=True)[order]))
        got, expected = zip(*pairs, strict=True)
        return np.concatenate(got), np.concatenate(expected)

    examples = field_draws(least_samples=2)
    return judge_pair(ctx, "permuting the samples permutes the field", pair, examples)


@check("field.translation", needs=NEEDS)
def translation(ctx: CheckContext) -> Measurement:
    """V(x + t; y + t) = V(x; y)."""

    def pair(draw: FieldDraw) -> tuple[Array, Array]:
        x, pos, neg = draw.clouds()
        t = 5.0 * draw.spread * draw.generator().normal(size=draw.d)
        moved = field_of(ctx, draw, x + t, pos + t, neg + t)
        return moved, field_of(ctx, draw, x, pos, neg)

    return judge_pair(ctx, "moving all samples alike leaves the field", pair, field_draws())


@check("field.rotation", needs=NEEDS)
def rotation(ctx: CheckContext) -> Measurement:
    """V(R x; R y) = R V(x; y) for orthogonal R."""

    def pair(draw: FieldDraw) -> tuple[Array, Array]:
        x, pos, neg = draw.clouds()
        r, _ = np.linalg.qr(draw.generator().normal(size=(draw.d, draw.d)))
        turned = field_of(ctx, draw, x @ r, pos @ r, neg @ r)
        return turned, field_of(ctx, draw, x, pos, neg) @ r

    return judge_pair(ctx, "rotating all samples rotates the field", pair, field_draws())


@check("field.homogeneity", needs=NEEDS)
def homogeneity(ctx: CheckContext) -> Measurement:
    """V(s x; s y, s tau) = s V(x; y, tau): tau is a distance."""

    def pair(draw: FieldDraw) -> tuple[Array, Array]:
        x, pos, neg = draw.clouds()
        s = 3.7
        scaled = field_of(ctx, draw, s * x, s * pos, s * neg, temperature=s * draw.temperature)
        return scaled, s * field_of(ctx, draw, x, pos, neg)

    return judge_pair(ctx, "the temperature is a distance", pair, field_draws())


@check("field.self_mask", needs=NEEDS)
def self_mask(ctx: CheckContext) -> Measurement:
    """Masked, V at x_i is that of x_i alone against the other samples.

    The softmax over x couples the samples, so this is for the variants without it; the one with it
    is held against the oracle.
    """

    def pair(draw: FieldDraw) -> tuple[Array, Array]:
        x, pos, _ = draw.clouds()
        masked = field_of(ctx, draw, x, pos, x, mask_self=True)
        alone = [field_of(ctx, draw, x[[i]], pos, np.delete(x, i, axis=0)) for i in range(draw.n)]
        return masked, np.concatenate(alone)

    examples = field_draws(("y", "none"), least_samples=2)
    return judge_pair(ctx, "a masked sample is no negative of itself", pair, examples)


@check("field.oracle", needs=NEEDS)
def against_oracle(ctx: CheckContext) -> Measurement:
    """V equals the float64 oracle's, for the normalisations of the clause, masked and not."""

    def pair(draw: FieldDraw) -> tuple[Array, Array]:
        x, pos, neg = (cloud.astype(ctx.params["dtype"]) for cloud in draw.clouds())
        chosen: dict[str, Any] = {"temperature": draw.temperature, "normalize": draw.normalize}
        got, expected = [], []
        for negatives, mask in ((neg, False), (x, True)):
            got.append(field_of(ctx, draw, x, pos, negatives, mask_self=mask))
            expected.append(oracle.drifting_field(x, pos, negatives, mask_self=mask, **chosen))
        return np.concatenate(got), np.concatenate(expected)

    examples = field_draws(tuple(ctx.params["normalizations"]), least_samples=2)
    return judge_pair(ctx, "the field is that of Algorithm 2", pair, examples)


# Mutants: each changes one small function or constant of drift.field.


@mutant("field.unbalance", drift.field, "cross_weights")
def unbalance(
    real: Any, a_pos: Tensor, a_neg: Tensor, *, attraction: float, repulsion: float
) -> tuple[Tensor, Tensor]:
    """a V+ - b V- instead of V+ - V- (the departures of Table 1)."""
    w_pos, w_neg = real(a_pos, a_neg)
    return attraction * w_pos, repulsion * w_neg


@mutant("field.drop_repulsion", drift.field, "cross_weights")
def drop_repulsion(real: Any, a_pos: Tensor, a_neg: Tensor) -> tuple[Tensor, Tensor]:
    """V = V+ (Table 1, last row)."""
    w_pos, w_neg = real(a_pos, a_neg)
    return w_pos, torch.zeros_like(w_neg)


@mutant("field.own_row_sum", drift.field, "cross_weights")
def own_row_sum(real: Any, a_pos: Tensor, a_neg: Tensor) -> tuple[Tensor, Tensor]:
    """Each side is weighted by its own row sum."""
    return a_pos * a_pos.sum(1, keepdim=True), a_neg * a_neg.sum(1, keepdim=True)


@mutant("field.misaligned_sides", drift.field, "sides")
def misaligned_sides(real: Any, a: Tensor, positives: int) -> Any:
    """The affinities are cut as if the negatives came first."""
    return real(a, a.shape[1] - positives)[::-1]


@mutant("field.swap_softmax_axis", drift.field, "affinities")
def swap_softmax_axis(real: Any, a: Tensor, kind: str) -> Any:
    """The softmax over y runs over x, and the other way round."""
    return real(a.T, kind).T


@mutant("field.one_axis", drift.field, "affinities")
def one_axis(real: Any, a: Tensor, kind: str, *, axis: str) -> Any:
    """The softmax over only one axis where both are asked for."""
    return a.softmax(dim={"y": 1, "x": 0}[axis]) if kind == "xy" else real(a, kind)


@mutant("field.no_root", drift.field, "affinities")
def no_root(real: Any, a: Tensor, kind: str) -> Any:
    """The product of both softmaxes without the square root."""
    return real(a, kind) ** (2 if kind == "xy" else 1)


@mutant("field.squared_distance", drift.field, "distances")
def squared_distance(real: Any, x: Tensor, y: Tensor) -> Any:
    """A Gaussian kernel instead of exp(-|x - y| / tau)."""
    return real(x, y) ** 2


@mutant("field.self_mask_value")
def self_mask_value(subject: object, *, value: float) -> Any:
    """Another number is added to a sample's distance to itself; 0 is no mask at all."""
    return patch.object(drift.field, "SELF_MASK", value)


@mutant("field.mask_neighbour", drift.field, "mask_own")
def mask_neighbour(real: Any, distance: Tensor) -> Any:
    """The mask is off by one: each sample ignores its neighbour, not itself."""
    return real(distance.roll(-1, 1)).roll(1, 1)


OTHER_VALUES = (
    # W+ = A+ and W- = A-: the other side's row sum is forgotten.
    mutant("field.no_cross_weights", drift.field, cross_weights=lambda pos, neg: (pos, neg)),
    # The sum of absolute differences instead of the Euclidean norm.
    mutant("field.manhattan_distance", drift.field, distances=lambda x, y: torch.cdist(x, y, p=1)),
)
