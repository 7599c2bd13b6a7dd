"""Parts of generator, sampler and encoder: what one function of a subject shows of each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verify.api import CheckContext, Measurement, SubjectError, check
from verify.numeric.arrays import Array, as_array, largest, worst_of

from .calls import array, call, inside, numbers, relative, rows


def _normed(x: Array) -> Array:
    return as_array(x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6))


@check("audit.attention_logits", needs=("attention_logits",))
@inside
def attention_logits(ctx: CheckContext) -> Measurement:
    """QK-norm is an RMSNorm per head, and the logits are over the root of the head's width."""
    rng = np.random.default_rng(0)
    q, k = (rng.normal(size=(2, 5, 3, 16)).astype(np.float32) for _ in range(2))
    k[:, :, 0] = q[:, :, 0]
    found = array(call(ctx.subject, "attention_logits", q=q, k=k), [2, 3, 5, 5], "the logits")
    normed: list[Any] = [_normed(as_array(one)) for one in (q, k)]
    expected = np.einsum("bnhd,bmhd->bhnm", *normed) / math.sqrt(16)
    return ctx.judge(
        relative(found, expected),
        f"the largest logit is {largest(found):.4g}, expected {largest(expected):.4g}",
        unit="of the largest logit",
    )


@check("audit.rotation", needs=("rotated",))
@inside
def rotation(ctx: CheckContext) -> Measurement:
    """One coordinate over all tokens, half-rotation layout, base 10000."""
    x = np.random.default_rng(0).normal(size=(2, 10, 3, 8)).astype(np.float32)
    found = array(call(ctx.subject, "rotated", x=x), x.shape, "the rotated array")
    kinds = {name: relative(found, expected) for name, expected in _rotations(as_array(x)).items()}
    nearest = min(kinds, key=lambda name: kinds[name])
    error = kinds["half-rotation"]
    reason = f"off by {error:.3g}; it is nearest to {nearest} ({kinds[nearest]:.2g})"
    return ctx.judge(error, reason, unit="of the largest value", details=kinds)


def _rotations(x: Array) -> dict[str, Array]:
    angles = np.arange(x.shape[1])[:, None] * 10_000.0 ** (
        -np.arange(0, x.shape[3], 2) / x.shape[3]
    )
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]

    def turn(a: Array, b: Array) -> tuple[Array, Array]:
        return a * cos - b * sin, a * sin + b * cos

    half = np.concatenate(turn(*np.split(x, 2, axis=-1)), axis=-1)
    pairs = np.stack(turn(x[..., 0::2], x[..., 1::2]), axis=-1).reshape(x.shape)
    left, right = np.split(x, 2, axis=-1)
    back = np.concatenate([left * cos + right * sin, right * cos - left * sin], axis=-1)
    return {
        "half-rotation": half,
        "interleaved pairs": as_array(pairs),
        "half-rotation backwards": back,
        "no rotation": x,
    }


@check("audit.style_tables", needs=("style_embedding",))
@inside
def style_tables(ctx: CheckContext) -> Measurement:
    """Each style token has a table of its own: codes that change places change the sum."""
    style = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [1, 2, 3, 5]])
    found = rows(call(ctx.subject, "style_embedding", style=style), 3, "the embedding")
    moved, changed = largest(found[1] - found[0]), largest(found[2] - found[0])
    reason = f"codes that change places move it by {moved:.3g}, another code by {changed:.3g}"
    return ctx.decide(moved > 1e-3 * changed > 0, reason, measured=moved)


@check("audit.style_drawn", needs=("style_unless_asked",))
@inside
def style_drawn(ctx: CheckContext) -> Measurement:
    """A sampler that is given no style draws one for each sample and token."""
    asked = {"batch": 16, "tokens": 8, "codes": 16}
    found = array(call(ctx.subject, "style_unless_asked", **asked), [16, 8], "the style")
    kinds = len(np.unique(found))
    reason = f"{kinds} different codes among {found.size} of 16, the first {found[0, 0]:.0f}"
    return ctx.decide(kinds > 8 and len(np.unique(found, axis=0)) > 8, reason, measured=kinds)


@check("audit.sampled_weights", needs=("sampled_weights",))
@inside
def sampled_weights(ctx: CheckContext) -> Measurement:
    """Samples are drawn with the averaged weights."""
    raw = np.linspace(1.0, 2.0, 5, dtype=np.float32)
    ema = np.linspace(-3.0, 3.0, 5, dtype=np.float32)
    answered = call(ctx.subject, "sampled_weights", raw=raw, ema=ema)
    found = array(answered, raw.shape, "the weights")
    is_raw = largest(found - raw) <= 1e-6
    reason = f"it samples with {'the raw weights' if is_raw else 'neither'}"
    good = largest(found - ema) <= 1e-6
    return ctx.decide(good, "it samples with the average" if good else reason)


@check("audit.alpha_embedding", needs=("alpha_embedding",))
@inside
def alpha_embedding(ctx: CheckContext) -> Measurement:
    """Every guidance scale is equally loud: the norm gives its embedding one root mean square."""
    alpha = np.array([1.0, 1.5, 2.0, 3.0, 4.0], np.float32)
    found = rows(call(ctx.subject, "alpha_embedding", alpha=alpha), 5, "the embedding")
    rms = np.sqrt((found**2).mean(-1))
    expected = float(ctx.fact(ctx.params["fact"]))
    error = largest(rms / expected - 1.0)
    loud = ", ".join(f"{one:.4g}" for one in rms)
    reason = f"root mean squares {loud} at alpha 1 to 4, expected {expected:g}"
    distinct = np.ptp(found, axis=0).max() > 1e-4
    return ctx.judge(error if distinct else math.inf, reason, unit="relative")


@check("audit.class_embedding", needs=("class_embedding",))
@inside
def class_embedding(ctx: CheckContext) -> Measurement:
    """The initial standard deviation of the class embeddings is the cited one."""
    found = numbers(call(ctx.subject, "class_embedding"), "the table")
    expected = float(ctx.fact(ctx.params["fact"]))
    if found.size < 1000:
        return ctx.missing(f"{found.size} numbers; expected at least 1,000")
    reason = f"standard deviation {found.std():.4g} of {found.size:,} numbers, cited {expected:g}"
    return ctx.judge(abs(float(found.std()) / expected - 1.0), reason, unit="relative")


@check("audit.head_condition", needs=("head_output",))
@inside
def head_condition(ctx: CheckContext) -> Measurement:
    """The condition shifts and scales the tokens in the head."""
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(2, 3, 32)).astype(np.float32)
    one, other = (rng.normal(size=(2, 32)).astype(np.float32) for _ in range(2))
    answers = [call(ctx.subject, "head_output", tokens=tokens, condition=c) for c in (one, other)]
    first, second = (rows(value, 2, "the output") for value in answers)
    moved = relative(array(second, first.shape, "the second output"), first)
    return ctx.decide(moved > 1e-3, f"another condition moves the output by {moved:.3g}",
                      measured=moved)  # fmt: skip


@check("audit.starts_at_zero", needs=("initial_samples",))
@inside
def starts_at_zero(ctx: CheckContext) -> Measurement:
    """A model drawn anew gives zero: its head starts at zero."""
    found = rows(call(ctx.subject, "initial_samples", batch=3), 3, "the samples")
    rms = float(np.sqrt((found**2).mean()))
    return ctx.judge(largest(found), f"initial samples have a root mean square of {rms:.4g}")


# -- encoder --------------------------------------------------------------------------------------


def _group_norm(x: Array, groups: int, eps: float) -> Array:
    shaped = x.reshape(len(x), groups, -1)
    centred = shaped - shaped.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return as_array(normed.reshape(x.shape))


def _maps(channels: int, spread: float) -> Any:
    rng = np.random.default_rng(0)
    width = spread * np.exp(rng.uniform(-2.0, 2.0, size=(1, channels, 1, 1)))
    return (width * rng.normal(size=(2, channels, 6, 6))).astype(np.float32)


def _groups_of(found: Array, x: Array, eps: float) -> int:
    channels = x.shape[1]
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    errors = {n: largest(found - _group_norm(x, n, eps)) for n in divisors}
    return min(errors, key=lambda n: errors[n])


@check("audit.groups", needs=("encoder_norm",))
@inside
def groups(ctx: CheckContext) -> Measurement:
    """GroupNorm has as many groups as the largest divisor of the channels at or below 32."""
    worst, said = 0.0, []
    for channels in ctx.params["channels"]:
        x = as_array(_maps(channels, 1.0))
        answered = call(ctx.subject, "encoder_norm", x=x.astype(np.float32))
        found = array(answered, x.shape, "the map")
        most = int(ctx.fact(ctx.params["fact"]))
        right = max(n for n in range(1, most + 1) if channels % n == 0)
        error = largest(found - _group_norm(x, right, 1e-6))
        nearest = _groups_of(found, x, 1e-6)
        said.append(f"{channels} channels as in {nearest} groups, expected {right}")
        worst = worst_of((worst, error))
    return ctx.judge(worst, "; ".join(said))


@check("audit.group_eps", needs=("encoder_norm",))
@inside
def group_eps(ctx: CheckContext) -> Measurement:
    """The eps of GroupNorm, whatever its groups are."""
    channels = ctx.params["channels"]
    wide, faint = as_array(_maps(channels, 1.0)), as_array(_maps(channels, 1e-3))
    at_rest, found = (
        array(call(ctx.subject, "encoder_norm", x=x.astype(np.float32)), x.shape, "the map")
        for x in (wide, faint)
    )
    expected = float(ctx.fact(ctx.params["fact"]))
    own = _groups_of(at_rest, wide, expected)
    error = largest(found - _group_norm(faint, own, expected))
    tried = {eps: largest(found - _group_norm(faint, own, eps)) for eps in _EPS}
    nearest = min(tried, key=lambda eps: tried[eps])
    return ctx.judge(error, f"as with eps {nearest:g}, expected {expected:g}")


_EPS = (0.0, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3)


@check("audit.stage_norm", needs=("encoder_stages",))
@inside
def stage_norm(ctx: CheckContext) -> Measurement:
    """The map of each stage has mean zero and mean square one: it comes out of a norm."""
    maps = call(ctx.subject, "encoder_stages", batch=2)
    worst, said = 0.0, []
    if not isinstance(maps, (list, tuple)):
        kind = type(maps).__name__
        raise SubjectError("nonsense", f"encoder_stages gave a {kind}; expected a list of maps")
    for number, one in enumerate(maps, start=1):
        found = rows(one, 2, "a map").reshape(2, -1)
        mean, square = found.mean(-1), (found**2).mean(-1)
        worst = worst_of((worst, largest(mean), largest(square - 1.0)))
        said.append(f"stage {number}: mean {mean[0]:.3g}, mean square {square[0]:.3g}")
    return ctx.judge(worst if said else math.inf, "; ".join(said) or "no stage at all")


@check("audit.input_statistic", needs=("input_statistic",))
@inside
def input_statistic(ctx: CheckContext) -> Measurement:
    """The root of the mean square of each channel, 1e-6 under the root."""
    x = _maps(4, 1.5)
    found = array(call(ctx.subject, "input_statistic", x=x), [2, 4], "the statistic")
    mean_square = (as_array(x) ** 2).mean((2, 3))
    expected = np.sqrt(mean_square + 1e-6)
    rootless = relative(found, as_array(mean_square)) < 1e-4
    remark = ", which is the mean square without its root" if rootless else ""
    return ctx.judge(
        relative(found, as_array(expected)),
        f"channel 0 is {found[0, 0]:.5g}, expected {expected[0, 0]:.5g}{remark}",
        unit="relative",
    )
