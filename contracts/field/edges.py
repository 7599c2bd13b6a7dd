"""Where the field ends: what it refuses, what a mask is worth, and clouds far from the origin."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import drift.field
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import as_array, worst_of

from ..common import oracle
from ..common.refusals import judge_refusals
from .laws import OF_FIELD, relative

NEEDS = ("drifting_field", "InputError")


def _clouds(**changes: Any) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(1)
    sizes = {"x": 3, "y_pos": 2, "y_neg": 3}
    clouds = {
        name: torch.rand(size, 2, generator=draw, dtype=torch.float64)
        for name, size in sizes.items()
    }
    return {**clouds, "temperature": 0.5, **changes}


@check("field.refusals", needs=NEEDS)
def refusals(ctx: CheckContext) -> Measurement:
    """Every argument alone outside of its domain, and the edges of the domain."""
    one = torch.ones(1, 2, dtype=torch.float64)
    whole = {name: torch.ones(3, 2, dtype=torch.int64) for name in ("x", "y_pos", "y_neg")}
    half = {name: cloud.to(torch.bfloat16) for name, cloud in whole.items()}
    taken = {
        "clouds of one sample each": _clouds(x=one, y_pos=one, y_neg=one, mask_self=True),
        "float32": {**_clouds(), **{name: cloud.float() for name, cloud in whole.items()}},
    }
    refused = {
        "a temperature of 0": ("temperature", _clouds(temperature=0.0)),
        "a negative temperature": ("temperature", _clouds(temperature=-0.5)),
        "an infinite temperature": ("temperature", _clouds(temperature=float("inf"))),
        "an unknown normalisation": ("normalize", _clouds(normalize="x")),
        "a mask over another cloud": (
            "mask_self",
            _clouds(y_neg=_clouds()["y_pos"], mask_self=True),
        ),
        "one row for a cloud": ("x", _clouds(x=torch.rand(2, dtype=torch.float64))),
        "a cloud of three axes": ("y_pos", _clouds(y_pos=one[None])),
        "no positives": ("y_pos", _clouds(y_pos=one[:0])),
        "no negatives": ("y_neg", _clouds(y_neg=one[:0])),
        "whole numbers": ("x", {**_clouds(), **whole}),
        "half precision": ("x", {**_clouds(), **half}),
        "two precisions": ("y_neg", _clouds(y_neg=_clouds()["y_neg"].float())),
        "another number of features": (
            "y_pos",
            _clouds(y_pos=torch.rand(2, 3, dtype=torch.float64)),
        ),
    }
    return judge_refusals(ctx, ctx.subject.drifting_field, taken, refused)


@check("field.mask_value", needs=("drifting_field",))
def mask_value(ctx: CheckContext) -> Measurement:
    """At a temperature as large as the mask what is added shows: against the oracle."""
    x, pos = (_clouds()[name] for name in ("x", "y_pos"))
    options: dict[str, Any] = {"temperature": ctx.params["temperature"], "mask_self": True}
    got = as_array(ctx.subject.drifting_field(x, pos, x, **options))
    expected = oracle.drifting_field(x, pos, x, **options)
    error = relative(got - expected, expected)
    return ctx.judge(error, f"largest difference {error:.2g} of max |V|", unit=OF_FIELD)


@check("field.far_and_many", needs=("drifting_field",))
def far_and_many(ctx: CheckContext) -> Measurement:
    """float32 clouds of many samples far from the origin, against the oracle."""
    rng = np.random.default_rng(ctx.seed)
    away, many = float(ctx.params["away"]), int(ctx.params["samples"])
    x, pos, neg = (
        (away + rng.normal(size=(size, 3))).astype(np.float32) for size in (many, many, many // 2)
    )
    worst = 0.0
    for negatives, mask in ((neg, False), (x, True)):
        given = [torch.from_numpy(cloud) for cloud in (x, pos, negatives)]
        got = as_array(ctx.subject.drifting_field(*given, temperature=0.5, mask_self=mask))
        expected = oracle.drifting_field(x, pos, negatives, temperature=0.5, mask_self=mask)
        worst = worst_of((worst, relative(got - expected, expected)))
    said = f"{many} samples {away:g} spreads from the origin: largest difference {worst:.2g}"
    return ctx.judge(worst, said, unit=OF_FIELD)


@check("field.tensor", needs=NEEDS)
def tensor(ctx: CheckContext) -> Measurement:
    """Dtype, device and gradient of V; the device is one that holds no numbers."""
    for dtype in (torch.float32, torch.float64):
        given = _clouds()
        clouds = [given[name].to(dtype).requires_grad_() for name in ("x", "y_pos", "y_neg")]
        v = ctx.subject.drifting_field(*clouds, temperature=0.5)
        if v.requires_grad or v.dtype != dtype:
            return ctx.decide(False, f"V is {v.dtype} with requires_grad={v.requires_grad}")
    there = [cloud.to("meta") for cloud in clouds]
    try:
        v = ctx.subject.drifting_field(*there[:2], there[0], temperature=0.5, mask_self=True)
    except RuntimeError as error:
        return ctx.decide(False, f"samples on another device: {error}")
    return ctx.decide(v.device.type == "meta", f"V of samples on meta lies on {v.device}")


@mutant("field.distances_by_expansion", drift.field, "distances")
def distances_by_expansion(real: Any, x: Tensor, y: Tensor) -> Tensor:
    """|x|^2 + |y|^2 - 2 x y, which far from the origin is the rounding of two large numbers."""
    return torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist")


@mutant("field.with_gradient", drift.field, "drifting_field")
def with_gradient(real: Any, x: Any, *more: Any, **options: Any) -> Any:
    """V carries a gradient, so that an objective would pull the field along."""
    return real(x, *more, **options) + x


@mutant("field.mask_on_the_cpu", drift.field, "mask_own")
def mask_on_the_cpu(real: Any, dist: Tensor) -> Tensor:
    """The mask is made where tensors are made by default."""
    return dist + drift.field.SELF_MASK * torch.eye(len(dist), dtype=dist.dtype)


OTHER_VALUES = (
    # Arguments are taken as they come.
    mutant("field.unchecked", drift.field, _check=lambda *given: None),
)
