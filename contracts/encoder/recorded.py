"""The masked autoencoder against its recorded activations, losses and gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import as_array, largest

from ..common.golden import Case, compare, nchw, of_largest, recorded, recorded_tolerance
from .cases import autoencoder, parameters

NEEDS = ("MaskedAutoencoder", "EncoderConfig", "encoder_state_dict", "recording")
FLOAT32_OF_MAX = 2.0e-6  # the recorded rule: never below this share of the largest activation


@check("encoder.activations_recorded", needs=NEEDS)
def activations_recorded(ctx: CheckContext) -> Measurement:
    """Names, shapes and values of every recorded activation and stage; float32 cases."""
    case, model = _case_and_model(ctx)
    with ctx.subject.recording() as trace, torch.no_grad():
        found = model.activations(nchw(case.arrays["in/x"]), **case.meta["kwargs"])
    if problem := inventory_problem(case.meta, found):
        return ctx.judge(math.inf, problem)
    got = dict(trace) | {f"act/{name}": value for name, value in found.items()}
    return compare(case, got, _activation_rule(case)).judge(ctx)


@check("encoder.activations_bfloat16", needs=NEEDS)
def activations_bfloat16(ctx: CheckContext) -> Measurement:
    """The same under bfloat16: largest error, root mean square error, and the dtype of each."""
    case, model = _case_and_model(ctx)
    with torch.no_grad():
        found = model.activations(nchw(case.arrays["in/x"]), **case.meta["kwargs"])
    if problem := inventory_problem(case.meta, found):
        return ctx.judge(math.inf, problem)
    dtypes = {f"act/{k}": v for k, v in case.meta["self_check"]["bf16_out_dtypes"].items()}
    named = {f"act/{name}": value for name, value in found.items()}
    rule = of_largest(case, recorded_tolerance(case, "rel_of_max"))
    compared = compare(case, named, rule, dtypes=dtypes)
    allowed = recorded_tolerance(case, "rel_rms")
    for stage in case.stages:
        error = _relative_rms(named[stage], case.arrays[stage])
        compared.put(f"root mean square of {stage}", error, allowed)
    return compared.judge(ctx)


@check("encoder.loss_recorded", needs=NEEDS)
def loss_recorded(ctx: CheckContext) -> Measurement:
    """Every stage of the masked loss, then loss and metrics, with the recorded mask."""
    case, model = _case_and_model(ctx)
    with ctx.subject.recording() as trace, torch.no_grad():
        loss, metrics = _masked_loss(case, model)
    got = dict(trace) | {f"out/{name}": value for name, value in metrics.items()}
    got["out/loss"] = loss
    stages = [stage for stage in case.stages if not stage.startswith("grad/")]
    tolerance = recorded_tolerance(case, "maxabs")
    return compare(case, got, lambda _: tolerance, stages).judge(ctx)


@check("encoder.gradient_recorded", needs=(*NEEDS, "encoder_to_reference"))
def gradient_recorded(ctx: CheckContext) -> Measurement:
    """Gradients of the mean loss: recorded ones entry by entry, all others by their norm."""
    case, model = _case_and_model(ctx)
    torch.autograd.backward(_masked_loss(case, model)[0].mean())
    own = {name: p.grad for name, p in model.named_parameters()}
    without = [name for name, grad in own.items() if grad is None]
    if without:
        return ctx.judge(math.inf, f"no gradient reaches {without[0]} ({len(without)} in all)")
    grads = ctx.subject.encoder_to_reference(own, model.config)
    limit = recorded_tolerance(case, "grad_rel")
    named = {f"grad/params/{path}": grad for path, grad in grads.items()}
    stored = sorted(stage for stage in case.arrays if stage.startswith("grad/params/"))
    compared = compare(case, named, of_largest(case, limit), stored)
    for path, norm in zip(case.meta["grad_names"], case.arrays["grad/l2_all"], strict=True):
        compared.hold(f"norm of {path}", _norm(grads[path]), norm, relative=limit)
    return compared.judge(ctx)


@check("encoder.mask_recorded", needs=("mask_from_uniform",))
def mask_recorded(ctx: CheckContext) -> Measurement:
    """Masks from the recorded uniforms and ratios, bit by bit."""
    for name in ctx.params["cases"]:
        case = recorded(ctx, name)
        mask = ctx.subject.mask_from_uniform(
            torch.tensor(case.arrays["in/mask_patch_noise_uniform"]),
            torch.tensor(case.arrays["in/mask_ratio_per_sample"]),
            patch=case.meta["model_config"]["patch_size"],
        )
        expected = nchw(case.arrays["in/mask"])
        if mask.shape != expected.shape:
            return ctx.decide(False, f"{name}: {list(mask.shape)}, not {list(expected.shape)}")
        if wrong := int((mask != expected).sum()):
            return ctx.decide(False, f"{name}: {wrong} of {mask.numel()} positions differ")
    return ctx.decide(True, f"{len(ctx.params['cases'])} recorded masks reproduced")


@check("encoder.resize_recorded", needs=("resize_bilinear",))
def resize_recorded(ctx: CheckContext) -> Measurement:
    """Bilinear resize up, down and not at all."""
    case = recorded(ctx, "resize_bilinear")
    got = {}
    for stage in case.stages:
        height, width = case.arrays[stage].shape[1:3]
        image = nchw(case.arrays[stage.replace("out/", "in/", 1)])
        got[stage] = ctx.subject.resize_bilinear(image, (height, width)).movedim(1, -1)
    return compare(case, got, lambda _: recorded_tolerance(case, "maxabs")).judge(ctx)


def inventory_problem(meta: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The first name that is missing, surplus or out of order, or the first wrong shape."""
    expected: Sequence[str] = meta.get("activation_keys_in_order") or meta["all_keys_in_order"]
    shapes: Mapping[str, Any] = meta.get("activation_shapes") or meta["all_shapes"]
    for place, (name, other) in enumerate(zip(expected, found, strict=False)):
        if name != other:
            return f"entry {place} is {other}, expected {name}"
    if len(found) != len(expected):
        return f"{len(found)} entries, expected {len(expected)}"
    for name in expected:
        if list(found[name].shape) != list(shapes[name]):
            return f"{name} has shape {list(found[name].shape)}, expected {shapes[name]}"
    return ""


def _case_and_model(ctx: CheckContext) -> tuple[Case, Any]:
    case = recorded(ctx, ctx.params["case"])
    flat = parameters(ctx, case.meta["params_file"], case.meta["params_override_file"])
    return case, autoencoder(ctx, case.meta["model_config"], flat)


def _masked_loss(case: Case, model: Any) -> tuple[Tensor, Mapping[str, Tensor]]:
    labels = torch.tensor(case.arrays["in/labels"]).long()
    mask = nchw(case.arrays["in/mask"])
    share = case.meta["kwargs"]["lambda_cls"]
    result: tuple[Tensor, Mapping[str, Tensor]] = model(
        nchw(case.arrays["in/x"]), labels, mask=mask, lambda_cls=share
    )
    return result


def _activation_rule(case: Case) -> Callable[[str], float]:
    """max(10 x the recorded float32-float64 difference, 2e-6 max|act|); steps: `maxabs_any_key`."""
    per_key = case.meta["self_check"]["official_vs_f64_per_key"]

    def tolerance(stage: str) -> float:
        name = stage.removeprefix("act/")
        if name not in per_key:
            return recorded_tolerance(case, "maxabs_any_key")
        measured = float(per_key[name])
        return max(10.0 * measured, FLOAT32_OF_MAX * largest(case.arrays[stage]))

    return tolerance


def _norm(grad: Tensor) -> float:
    return float(np.linalg.norm(as_array(grad)))


def _relative_rms(found: Any, expected: Any) -> float:
    got, want = as_array(found), as_array(expected)
    return float(np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2)))
