"""Features of real samples that a run keeps instead of computing them at each step."""

from __future__ import annotations

import math

import torch

from drift.remembered import Remembered
from verify.api import CheckContext, Measurement, check

from ..encoder.cases import small_trunk
from .recorded import off

NEEDS = ("FeatureExtractor", "MaskedAutoencoder")


@check("features.kept", needs=NEEDS)
def kept(ctx: CheckContext) -> Measurement:
    """Kept features against those of the encoders; infinite where the order changes a bit."""
    extractor = ctx.subject.FeatureExtractor(small_trunk(ctx, layers=[1, 2, 1, 1]))
    draw = torch.Generator().manual_seed(ctx.seed)
    samples = torch.randn(int(ctx.params["samples"]), 2, 16, 16, generator=draw)
    with torch.no_grad():
        exact = extractor(samples)
    errors = {}
    seen = []
    for size, most in ctx.params["met"]:
        remembered = Remembered(extractor, most)
        order = torch.randperm(len(samples), generator=draw)
        for piece in torch.split(order, size):
            remembered(samples[piece])
        seen.append(remembered(samples))
        for name, value in exact.items():
            errors[f"{name}, met {size} at once"] = off(seen[-1][name], value)
    changed = [name for name in exact for one in seen if not torch.equal(one[name], seen[0][name])]
    if changed:
        return ctx.judge(math.inf, f"{changed[0]} depends on the order in which samples are met")
    return ctx.judge_worst(errors, "kept features")
