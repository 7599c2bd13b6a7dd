"""The edges of guidance: refused arguments, ties with the point mass, dtypes and shapes."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import torch

from drift import cfg
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import as_array, largest

from ..common.refusals import judge_refusals

HALF = torch.full((2, 3), 0.5)
# Where one of two formulas cancels, and where the other does.
NEARLY_ONE, HIGH = (1.0 + 1e-9, 1.0 - 1e-7), (20.0, 22.0, 23.0, 25.0)
PLACES = torch.tensor([0.0, 0.1, 0.5, 0.9, 0.9999999, 1.0], dtype=torch.float64)
BASE = {"u": HALF, "power": 3.0, "minimum": 1.5, "maximum": 4.0}


@check("cfg.sample_refusals", needs=("sample_alpha", "InputError"))
def sample_refusals(ctx: CheckContext) -> Measurement:
    """Every argument of the sampler alone outside of its domain, and the edges of the domain."""

    def call(**changes: Any) -> object:
        given = {**BASE, **changes}
        return ctx.subject.sample_alpha(given.pop("u"), **given)

    ends = torch.tensor([0.0, 1.0])
    mass = {"point_mass": 0.5, "u_point": HALF}
    taken = {
        "uniforms of 0 and 1": {"u": ends},
        "one value of alpha": {"maximum": 1.5},
        "a mass of 1": {**mass, "point_mass": 1.0},
        "a power whose range float64 can hold": {"power": -700.0 / math.log(4.0 / 1.5) + 1.01},
        "a power at the limit": {"power": -699.0, "minimum": 1.0, "maximum": math.e},
        "a high power on a range that begins low": {"power": 60.0, "minimum": 1e-6, "maximum": 1.0},
    }
    refused = {
        "a uniform below 0": ("u:", {"u": torch.tensor([0.5, -0.1])}),
        "a uniform above 1": ("u:", {"u": torch.tensor([0.5, 1.1])}),
        "a NaN for a uniform": ("u:", {"u": torch.tensor([0.5, math.nan])}),
        "a power that is no number": ("power", {"power": math.nan}),
        "an infinite maximum": ("maximum", {"maximum": math.inf}),
        "a minimum of 0": ("minimum", {"minimum": 0.0}),
        "a minimum above the maximum": ("minimum", {"minimum": 4.1}),
        "a power whose range float64 cannot hold": ("power", {"power": -800.0}),
        "a power beyond the limit": ("power", {"power": -700.0, "minimum": 1.0, "maximum": math.e}),
        "a mass above 1": ("point_mass", {**mass, "point_mass": 1.1}),
        "a negative mass": ("point_mass", {**mass, "point_mass": -0.1}),
        "a mass without its uniforms": ("u_point", {"point_mass": 0.5}),
        "other uniforms of another shape": ("u_point", {**mass, "u_point": HALF[0]}),
        "other uniforms above 1": ("u_point", {**mass, "u_point": HALF + 1}),
    }
    return judge_refusals(ctx, call, taken, refused)


@check("cfg.weight_refusals", needs=("uncond_weight", "InputError"))
def weight_refusals(ctx: CheckContext) -> Measurement:
    """Every argument of the weight alone outside of its domain, and the edges of the domain."""

    def call(**changes: Any) -> object:
        given = {"alpha": HALF, "generated": 4, "unconditional": 2, **changes}
        return ctx.subject.uncond_weight(given.pop("alpha"), **given)

    taken = {"one generated sample, none unconditional": {"generated": 1, "unconditional": 0},
             "a number": {"alpha": 2.0}}  # fmt: skip
    refused = {
        "no generated sample": ("generated", {"generated": 0}),
        "fewer unconditional samples than none": ("unconditional", {"unconditional": -1}),
        "a NaN": ("alpha", {"alpha": torch.tensor([1.0, math.nan])}),
        "an infinite alpha": ("alpha", {"alpha": torch.tensor([1.0, math.inf])}),
    }
    return judge_refusals(ctx, call, taken, refused)


@check("cfg.ties", needs=("sample_alpha", "uncond_weight"))
def ties(ctx: CheckContext) -> Measurement:
    """alpha is 1 below the mass and not at it; dtype and shape are those of the uniforms."""
    point = torch.tensor([0.25, 0.5, 0.75])
    options = {"power": 3.0, "minimum": 1.5, "maximum": 4.0, "point_mass": 0.5}
    got = ctx.subject.sample_alpha(torch.full((3,), 0.5), u_point=point, **options)
    ones = [float(alpha) == 1.0 for alpha in got]
    if ones != [True, False, False]:
        return ctx.decide(False, f"uniforms 0.25, 0.5 and 0.75 under a mass of 0.5: ones {ones}")
    for u in (torch.rand(4, dtype=torch.float64), torch.rand(2, 3)):
        alpha = ctx.subject.sample_alpha(u, power=3.0, minimum=1.0, maximum=4.0)
        if (alpha.dtype, alpha.shape) != (u.dtype, u.shape):
            return ctx.decide(False, f"{u.dtype} {list(u.shape)} became {alpha.dtype}")
    for alpha in (torch.ones(2, dtype=torch.float64), torch.ones(2), torch.tensor([1, 2])):
        w = ctx.subject.uncond_weight(alpha, generated=4, unconditional=2)
        if w.dtype != (alpha.dtype if alpha.is_floating_point() else torch.get_default_dtype()):
            return ctx.decide(False, f"the weights of {alpha.dtype} are {w.dtype}")
    whole = ctx.subject.sample_alpha(np.array([0, 1]), power=3.0, minimum=1.5, maximum=4.5)
    good = largest(as_array(whole) - [1.5, 4.5]) < 1e-6
    return ctx.decide(good, f"the whole numbers 0 and 1 become {whole}, expected 1.5 and 4.5")


@check("cfg.ends_in_float64", needs=("sample_alpha",))
def ends_in_float64(ctx: CheckContext) -> Measurement:
    """The inverse rounds in float64 too: at both ends of drawn ranges alpha stays inside."""
    rng = np.random.default_rng(ctx.seed)
    u = torch.tensor([0.0, 1.0], dtype=torch.float64)
    for _ in range(200):
        low = float(rng.uniform(0.2, 5.0))
        high, power = low * float(rng.uniform(1.0, 8.0)), float(rng.uniform(0.0, 8.0))
        ends = ctx.subject.sample_alpha(u, power=power, minimum=low, maximum=high).tolist()
        if not low <= ends[0] <= ends[1] <= high:
            return ctx.decide(False, f"power {power} on [{low!r}, {high!r}] gives {ends}")
    for power in (*NEARLY_ONE, *HIGH):
        found = ctx.subject.sample_alpha(PLACES, power=power, minimum=1.0, maximum=4.0).tolist()
        for place, alpha in zip(PLACES.tolist(), found, strict=True):
            wanted = _by_decimals(place, power)
            if abs(alpha - wanted) > 1e-14 * wanted:
                return ctx.decide(
                    False, f"power {power} at {place}: {alpha!r}, expected {wanted!r}"
                )
    return ctx.decide(True, "200 drawn ranges hold their ends, and powers near one and high ones")


def _by_decimals(u: float, power: float) -> float:
    """The inverse on [1, 4] in sixty digits: ((1 - u) + u 4^pw)^(1/pw)."""
    with localcontext(prec=60):
        pw, place = 1 - Decimal(power), Decimal(u)
        return float(((1 - place) + place * Decimal(4) ** pw) ** (1 / pw))


@mutant("cfg.unconditional_unchecked", cfg, "uncond_weight")
def unconditional_unchecked(
    real: Any, alpha: Any, *, generated: int, unconditional: int
) -> torch.Tensor:
    """The weight of NaN is NaN."""
    ratio = cfg.negatives_ratio(generated, unconditional)
    return cfg.excess(torch.as_tensor(alpha)) * ratio


@mutant("cfg.mass_with_its_edge", cfg, "mix_point_mass")
def mass_with_its_edge(
    real: Any, alpha: torch.Tensor, share: float, u: torch.Tensor
) -> torch.Tensor:
    """alpha is 1 also where the second uniform equals the mass."""
    return torch.where(u <= share, torch.ones_like(alpha), alpha)


@mutant("cfg.ends_rounded", cfg, "sample_alpha")
def ends_rounded(
    real: Any, u: Any, *, power: float, minimum: float, maximum: float
) -> torch.Tensor:
    """alpha is what the inverse gives, an ulp outside of its range now and then."""
    return cfg.inverse_cdf(torch.as_tensor(u), power=power, minimum=minimum, maximum=maximum)


OTHER_VALUES = (
    # One formula for all powers, which cancels for those near one.
    mutant("cfg.one_formula", cfg, log_mixture=lambda u, s: torch.log((1 - u) + u * math.exp(s))),
    # Ranges are taken as they come.
    mutant("cfg.unchecked", cfg, _check_range=lambda *given: None),
)
