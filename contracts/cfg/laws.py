"""Guidance scale and unconditional weight: checks against recording, closed form and density."""

from __future__ import annotations

import math
import re
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from drift import cfg
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import Array, as_array, largest, worst_of
from verify.numeric.laws import judge_law

from ..common import golden

FALSE_ALARM = 1e-6  # per clause: how often a correct sampler would be called wrong, over all seeds
CASE = re.compile(r"pw([\d.]+)_nocfg([\d.]+)_range([\d.]+)-([\d.]+)/cfg")


@check("cfg.recorded", needs=("sample_alpha",))
def recorded(ctx: CheckContext) -> Measurement:
    """Every recorded alpha from its recorded uniforms, as a fraction of the recorded tolerance."""
    case = golden.recorded(ctx, "cfg_sampling")
    allowed = golden.recorded_tolerance(case, "abs")
    compared = golden.Comparison()
    for stage in case.stages:
        power, share, low, high = map(float, CASE.fullmatch(stage).groups())  # type: ignore[union-attr]
        prefix = stage.removesuffix("cfg")
        got = ctx.subject.sample_alpha(
            case.arrays[prefix + "frac"],
            power=power,
            minimum=low,
            maximum=high,
            point_mass=share,
            u_point=case.arrays[prefix + "frac2"],
        )
        compared.hold(stage, got, case.arrays[stage], allowed)
    return compared.judge(ctx)


@check("cfg.closed_form", needs=("sample_alpha",))
def closed_form(ctx: CheckContext) -> Measurement:
    """F(alpha(u)) = u for drawn powers, ranges and uniforms, in float64."""
    from hypothesis import strategies as st

    def error(case: tuple[float, float, float, float]) -> float:
        u, power, low, width = case
        alpha = _alpha(ctx, torch.tensor([u], dtype=torch.float64), power, low, low * width)
        return abs(_share_below(float(alpha[0]), power, low, low * width) - u)

    quarters = st.integers(0, 32).map(lambda n: n / 4)
    powers = st.sampled_from([1.0, 3.0, 5.0]) | quarters
    case = st.tuples(st.floats(0.0, 1.0), powers, st.floats(0.2, 5.0), st.floats(1.01, 8.0))
    law = "the share below alpha(u) is u, for (u, k, minimum, maximum / minimum)"
    return judge_law(ctx, case, error, law=law, unit="of probability")


@check("cfg.distribution", needs=("sample_alpha",))
def distribution(ctx: CheckContext) -> Measurement:
    """Kolmogorov-Smirnov distance to the integrated density alpha^-k, over its critical value."""
    powers, size = ctx.params["powers"], int(ctx.params["samples"])
    generator = torch.Generator().manual_seed(ctx.seed)
    ratios: dict[str, float] = {}
    for power in powers:
        u = torch.rand(size, generator=generator)
        alpha = np.sort(_alpha(ctx, u, power, 1.0, 4.0))
        # Dvoretzky-Kiefer-Wolfowitz with Massart's constant: valid for every sample size.
        critical = math.sqrt(math.log(2.0 / (FALSE_ALARM / len(powers))) / (2.0 * size))
        ratios[f"k={power:g}"] = _ks_distance(alpha, power) / critical
    about = {"samples": size, "seed": ctx.seed}
    return ctx.judge_worst(ratios, "distance over the critical value", details=about)


@check("cfg.point_mass", needs=("sample_alpha",))
def point_mass(ctx: CheckContext) -> Measurement:
    """Exactly 1 in a binomial share of draws, and the continuous draw everywhere else."""
    from scipy.stats import binom

    size, shares = int(ctx.params["samples"]), ctx.params["shares"]
    generator = torch.Generator().manual_seed(ctx.seed)
    details: dict[str, list[int]] = {}
    for share in shares:
        u, u_point = (torch.rand(size, generator=generator) for _ in range(2))
        plain = _alpha(ctx, u, 3.0, 1.5, 4.0)
        mixed = _alpha(ctx, u, 3.0, 1.5, 4.0, point_mass=share, u_point=u_point)
        ones = mixed == 1.0  # the range begins at 1.5, so 1 comes from the point mass alone
        low, high = binom.interval(1.0 - FALSE_ALARM / len(shares), size, share)
        details[f"share={share:g}"] = [int(low), int(ones.sum()), int(high)]
        if not low <= int(ones.sum()) <= high:
            return ctx.decide(
                False,
                f"share {share:g}: {int(ones.sum())} of {size} draws are exactly 1, expected "
                f"{int(low)} to {int(high)}",
                details={"low_found_high": details},
            )
        if not np.array_equal(mixed[~ones], plain[~ones]):
            return ctx.decide(False, f"share {share:g}: the other draws are not those without it")
    return ctx.decide(
        True, "the share of exact ones is binomial", details={"low_found_high": details}
    )


@check("cfg.range", needs=("sample_alpha",))
def within_range(ctx: CheckContext) -> Measurement:
    """alpha rises with u from the minimum to the maximum, as float32 numbers."""
    from hypothesis import strategies as st

    def error(case: tuple[float, float, float]) -> float:
        power, low, width = case
        ends = np.float32(low), np.float32(low * width)
        u = torch.linspace(0.0, 1.0, 257)
        alpha = _alpha(ctx, u, power, float(ends[0]), float(ends[1])).astype(np.float32)
        reached = (alpha[0], alpha[-1]) == ends
        return float(not reached or bool((np.diff(alpha) < 0).any()))

    case = st.tuples(st.floats(0.0, 8.0), st.floats(0.2, 5.0), st.floats(1.0, 8.0))
    law = "alpha rises with u and begins and ends where (k, minimum, maximum / minimum) say"
    return judge_law(ctx, case, error, law=law)


@check("cfg.no_guidance_no_weight", needs=("uncond_weight",))
def no_guidance_no_weight(ctx: CheckContext) -> Measurement:
    """alpha = 1 gives w = 0 to the last bit, whatever the numbers of samples."""
    for generated in (1, 2, 64, 128):
        for unconditional in (0, 1, 16, 32):
            for dtype in (torch.float32, torch.float64):
                w = ctx.subject.uncond_weight(
                    torch.ones(3, dtype=dtype), generated=generated, unconditional=unconditional
                )
                if largest(w) != 0.0:
                    found = f"G={generated}, N={unconditional}: w(1) = {as_array(w).tolist()}"
                    return ctx.decide(False, found + ", expected exactly 0")
    return ctx.decide(True, "w(1) is exactly 0 for 16 pairs of sizes in two dtypes")


@check("cfg.weight_formula", needs=("uncond_weight",))
def weight_formula(ctx: CheckContext) -> Measurement:
    """w against (alpha - 1)(G - 1)/max(1, N) in Python's float64, relative to w."""
    generator = torch.Generator().manual_seed(ctx.seed)
    alpha = 1.0 + 3.0 * torch.rand(64, generator=generator)
    worst, where = 0.0, ""
    for generated, unconditional in ((64, 16), (64, 32), (2, 1), (17, 5), (8, 0)):
        w = ctx.subject.uncond_weight(alpha, generated=generated, unconditional=unconditional)
        for a, got in zip(alpha.tolist(), as_array(w), strict=True):
            expected = (a - 1.0) * (generated - 1) / max(1, unconditional)
            error = abs(float(got) - expected) / expected
            if not error <= worst:
                worst, where = (
                    worst_of((error,)),
                    f"G={generated}, N={unconditional}, alpha={a:.6g}",
                )
    return ctx.judge(worst, f"largest relative error of w {worst:.2g} at {where}")


@mutant("cfg.power_two_for_three", cfg, "exponent")
def power_two_for_three(real: Any, power: Any) -> Any:
    """Density alpha^-2 where alpha^-3 is asked for."""
    return real(2.0 if power == 3.0 else power)


@mutant("cfg.point_mass_complement", cfg, "mix_point_mass")
def point_mass_complement(real: Any, a: Any, share: Any, u: Any) -> Any:
    """The share of guided draws is taken for the share of unguided ones."""
    return real(a, 1.0 - share, u)


@mutant("cfg.uniform_alpha", cfg, "inverse_cdf")
def uniform_alpha(real: Any, u: Tensor, *, power: float, minimum: float, maximum: float) -> Tensor:
    """alpha uniform on its range."""
    return minimum + u * (maximum - minimum)


def _swapped_ends() -> AbstractContextManager[Any]:
    real = cfg.inverse_cdf

    def swapped(u: Tensor, *, power: float, minimum: float, maximum: float) -> Tensor:
        return real(u, power=power, minimum=maximum, maximum=minimum)

    return patch.object(cfg, "inverse_cdf", swapped)


@mutant("cfg.ends_swapped")
def ends_swapped(subject: object) -> Any:
    """Minimum and maximum change places: the same distribution, falling with u."""
    return _swapped_ends()


def _alpha(
    ctx: CheckContext, u: Tensor, power: float, low: float, high: float, **point: Any
) -> Array:
    alpha = ctx.subject.sample_alpha(u, power=power, minimum=low, maximum=high, **point)
    return as_array(alpha)


def _share_below(alpha: float, power: float, low: float, high: float) -> float:
    """F(alpha) of the density alpha^-k on [low, high], stable for k near 1."""
    pw = 1.0 - power
    if pw == 0.0:
        return math.log(alpha / low) / math.log(high / low)
    return math.expm1(pw * math.log(alpha / low)) / math.expm1(pw * math.log(high / low))


def _ks_distance(ordered: Array, power: float) -> float:
    """Distance of an ordered sample on [1, 4] to the density, integrated by the trapezium rule."""
    grid = np.linspace(1.0, 4.0, 200_001)
    density = grid**-power
    share = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
    expected = np.interp(ordered, grid, share / share[-1])
    steps = np.arange(len(ordered) + 1) / len(ordered)
    above, below = steps[1:] - expected, expected - steps[:-1]
    return float(max(above.max(), below.max()))


OTHER_VALUES = (
    mutant("cfg.point_mass_ignored", cfg, mix_point_mass=lambda alpha, share, u_point: alpha),
    # w = alpha (G - 1) / N.
    mutant("cfg.weight_without_minus_one", cfg, excess=lambda alpha: alpha),
    # w = (alpha - 1) G / N: a sample is counted among its own negatives.
    mutant(
        "cfg.weight_counts_itself", cfg, negatives_ratio=lambda generated, n: generated / max(1, n)
    ),
)
