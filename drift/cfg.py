"""Guidance scale alpha and the weight of the unconditional negatives (paper A.7).

alpha has the density p(alpha) proportional to alpha^-k on [minimum, maximum], optionally mixed with
a point mass at exactly 1 (paper Table 8; reference train.py `neg_cfg_pw`, `no_cfg_frac`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drift.errors import InputError

LARGEST_LOG = 700.0  # exp of more than about 709 overflows in float64


def sample_alpha(
    u: Tensor,
    *,
    power: float,
    minimum: float,
    maximum: float,
    point_mass: float = 0.0,
    u_point: Tensor | None = None,
) -> Tensor:
    """Guidance scales from given uniforms by the inverse CDF (method section 6).

    u        uniforms in [0, 1], any shape; the result has its shape and dtype
    power    k of p(alpha) ~ alpha^-k
    u_point  a second, independent set of uniforms, shape of u: alpha is exactly 1 where
             u_point < point_mass; needed only when point_mass > 0

    The arithmetic is float64 whatever the dtype of u; the result never leaves [minimum, maximum]
    except for the point mass. Raises InputError for a bad range, share or uniform.
    """
    u = _uniforms("u", u)
    _check_range(power, minimum, maximum)
    _check_share(point_mass)
    alpha = inverse_cdf(u.double(), power=power, minimum=minimum, maximum=maximum).to(u.dtype)
    # Rounding to the dtype of u may step over an end of the range.
    alpha = alpha.clamp(minimum, maximum)
    if point_mass == 0.0:
        return alpha
    return mix_point_mass(alpha, point_mass, _second_uniforms(u_point, u, point_mass))


def uncond_weight(alpha: Tensor, *, generated: int, unconditional: int) -> Tensor:
    """w = (alpha - 1) (G - 1) / max(1, N), shape and dtype of alpha (paper A.7; train.py:91).

    alpha = 1 gives exactly 0. Raises InputError for fewer than one generated sample, for a negative
    number of unconditional ones and for a non-finite alpha.
    """
    alpha = torch.as_tensor(alpha)
    if generated < 1 or unconditional < 0:
        raise InputError(
            "uncond_weight: generated, unconditional",
            found=f"{generated}, {unconditional}",
            expected="at least 1 generated sample and at least 0 unconditional ones, per label",
        )
    if not bool(torch.isfinite(alpha).all()):
        raise InputError("uncond_weight: alpha", found="NaN or infinity", expected="finite values")
    dtype = alpha.dtype if alpha.is_floating_point() else torch.get_default_dtype()
    return (excess(alpha.double()) * negatives_ratio(generated, unconditional)).to(dtype)


def exponent(power: float) -> float:
    """pw = 1 - k: alpha^pw is uniform on its range when p(alpha) ~ alpha^-k."""
    return 1.0 - power


def inverse_cdf(u: Tensor, *, power: float, minimum: float, maximum: float) -> Tensor:
    """alpha = (a^pw + u (b^pw - a^pw))^(1/pw); for pw = 0: exp(log a + u (log b - log a))."""
    log_ratio = math.log(maximum / minimum)
    pw = exponent(power)
    if pw == 0.0:
        return minimum * torch.exp(u * log_ratio)
    return minimum * torch.exp(log_mixture(u, pw * log_ratio) / pw)


def log_mixture(u: Tensor, s: float) -> Tensor:
    """log((1 - u) + u exp(s)), without cancellation for a small s (power near 1) and exact at
    u = 1 for a large negative one (a high power)."""
    if abs(s) < 1.0:
        return torch.log1p(u * math.expm1(s))
    return torch.log((1.0 - u) + u * math.exp(s))


def mix_point_mass(alpha: Tensor, point_mass: float, u_point: Tensor) -> Tensor:
    """Exactly 1 where u_point < point_mass, alpha elsewhere."""
    return torch.where(u_point < point_mass, torch.ones_like(alpha), alpha)


def excess(alpha: Tensor) -> Tensor:
    """alpha - 1: what guidance adds to plain conditional generation."""
    return alpha - 1.0


def negatives_ratio(generated: int, unconditional: int) -> float:
    """(G - 1) / max(1, N): the number of generated negatives per unconditional one."""
    return (generated - 1) / max(1, unconditional)


def _uniforms(name: str, u: Tensor) -> Tensor:
    u = torch.as_tensor(u)
    if not u.is_floating_point():
        u = u.to(torch.get_default_dtype())
    inside = (u >= 0.0) & (u <= 1.0)  # false for NaN
    if not bool(inside.all()):
        raise InputError(
            f"sample_alpha: {name}",
            found=f"{int((~inside).sum())} of {u.numel()} values outside [0, 1] or NaN",
            expected="uniforms in [0, 1]",
            remedy="Draw them with torch.rand.",
        )
    return u


def _second_uniforms(u_point: Tensor | None, u: Tensor, point_mass: float) -> Tensor:
    if u_point is None:
        raise InputError(
            "sample_alpha: u_point",
            found=f"None with point_mass={point_mass}",
            expected="a second set of uniforms, independent of u",
            remedy="Pass u_point=torch.rand(...) of the shape of u, or point_mass=0.",
        )
    u_point = _uniforms("u_point", u_point)
    if u_point.shape != u.shape:
        raise InputError(
            "sample_alpha: u_point",
            found=f"shape {tuple(u_point.shape)}",
            expected=f"the shape of u, {tuple(u.shape)}",
        )
    return u_point


def _check_range(power: float, minimum: float, maximum: float) -> None:
    finite = math.isfinite(power) and math.isfinite(maximum)
    if not (finite and 0.0 < minimum <= maximum):
        raise InputError(
            "sample_alpha: power, minimum, maximum",
            found=f"{power}, {minimum}, {maximum}",
            expected="finite numbers with 0 < minimum <= maximum",
        )
    if exponent(power) * math.log(maximum / minimum) > LARGEST_LOG:
        raise InputError(
            "sample_alpha: power",
            found=power,
            expected="(maximum / minimum)^(1 - power) within the range of float64",
        )


def _check_share(point_mass: float) -> None:
    if not 0.0 <= point_mass <= 1.0:
        raise InputError("sample_alpha: point_mass", found=point_mass, expected="a share in [0, 1]")
