"""The second encoder, the combined dictionary of features, and the loss of samples on it."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import as_array, largest

from ..common.golden import (
    Case,
    Comparison,
    compare,
    nchw,
    of_largest,
    recorded,
    recorded_tolerance,
    tensors,
    words,
)
from ..encoder.cases import autoencoder, convnext, list_problem, parameters, small_trunk
from ..encoder.recorded import inventory_problem

CONVNEXT = ("ConvNextConfig", "ConvNextFeatures", "convnext_state_dict")
EPS = 1.0e-6
FEATURE_SHARE = 1.0e-4  # allowed to a recorded feature of the training step, of its largest value
LOSS = ("FeatureExtractor", "FeatureConfig", "sample_loss", "MaskedAutoencoder")


@check("features.convnext_recorded", needs=(*CONVNEXT, "recording"))
def convnext_recorded(ctx: CheckContext) -> Measurement:
    """Names, stages and features of the second encoder, and the gradient of their weighted sum."""
    case = recorded(ctx, ctx.params["case"])
    flat = parameters(ctx, case.meta["params_file"])
    model = convnext(ctx, case.meta["model_config"], flat)
    images = _images(case).requires_grad_()
    with ctx.subject.recording() as trace:
        found = model.activations(images)
    if problem := inventory_problem(case.meta, found):
        return ctx.judge(math.inf, problem)
    allowed = recorded_tolerance(case, "act_maxabs")
    stages = [stage for stage in case.stages if not stage.startswith("grad/")]
    got = dict(trace) | {f"act/{name}": value for name, value in found.items()}
    compared = compare(case, got, lambda _: allowed, stages)
    backward = [stage for stage in case.stages if stage.startswith("grad/")]
    if backward:
        weights = tensors(case, "in/grad_weight")
        sum((v * weights[k]).mean() for k, v in found.items()).backward()
        assert images.grad is not None
        grad = images.grad.movedim(1, -1)
        grads = {"grad/x": grad, "grad/x_every4": grad[:, ::4, ::4]}
        rule = of_largest(case, recorded_tolerance(case, "grad_rel"))
        compared.add(compare(case, grads, rule, backward), "")
    return compared.judge(ctx)


@check("features.convnext_formulas", needs=(*CONVNEXT, "recording"))
def convnext_formulas(ctx: CheckContext) -> Measurement:
    """The features of the last stage from its recorded map, in NumPy, where every eps counts.

    The weights that lead into the map are scaled down until its deviation is about 1e-3.
    """
    case = recorded(ctx, "convnext_tiny_same")
    flat = parameters(ctx, case.meta["params_file"])
    for path in ("downsample_layers_3/layers_1", "stages_3/layers_0/pwconv2"):
        for leaf in ("kernel", "bias"):
            flat[f"{path}/{leaf}"] = flat[f"{path}/{leaf}"] * np.float32(ctx.params["scale"])
    model = convnext(ctx, case.meta["model_config"], flat)
    with ctx.subject.recording() as trace, torch.no_grad():
        found = model.activations(_images(case))
    tokens = as_array(trace["step/stages_3"]).reshape(2, 49, -1)
    centred = tokens - tokens.mean(-1, keepdims=True)
    tokens_n = centred / (tokens.std(-1, keepdims=True) + 1.0e-3)
    pooled = tokens.mean(1, keepdims=True)
    scaled = (pooled - pooled.mean(-1, keepdims=True)) / np.sqrt(
        pooled.var(-1, keepdims=True) + EPS
    )
    std = np.sqrt(tokens_n.var(1, keepdims=True) + EPS)
    expected = {
        "convenxt_stage_3": tokens_n,
        "convenxt_stage_3_mean": tokens_n.mean(1, keepdims=True),
        "convenxt_stage_3_std": std,
        "global_mean": scaled * flat["norm/scale"] + flat["norm/bias"],
        "global_std": std,
    }
    errors = {name: largest(as_array(found[name]) - value) for name, value in expected.items()}
    deviation = {"deviation_of_the_map": float(tokens.std(-1).mean())}
    return ctx.judge_worst(errors, "features off their formulas", details=deviation)


@check("features.convnext_parameters", needs=("ConvNextFeatures", "convnext_to_reference"))
def convnext_parameters(ctx: CheckContext) -> Measurement:
    """Every path and shape of the recorded lists, and their totals; nothing is allocated."""
    totals: dict[str, int] = {}
    for name, size in ctx.params["configurations"].items():
        config = ctx.subject.ConvNextConfig(tuple(size["depths"]), tuple(size["widths"]))
        back = ctx.subject.convnext_to_reference
        model = ctx.subject.ConvNextFeatures
        problem, totals[name] = list_problem(words(ctx, name), model, config, back)
        if problem:
            return ctx.decide(False, f"{name}: {problem}")
    return ctx.decide(True, "names, shapes and totals one to one", details={"totals": totals})


@check("features.combined_recorded", needs=(*CONVNEXT, *LOSS))
def combined_recorded(ctx: CheckContext) -> Measurement:
    """The dictionary of the pixel columns: names in order, shapes, recorded values, raw sample."""
    case = recorded(ctx, "activation_fn_pixel")
    meta = case.meta
    flat = parameters(ctx, meta["mae_params_file"], meta["mae_override_file"])
    first = autoencoder(ctx, meta["pixel_mae_config"], flat)
    second = convnext(ctx, meta["convnext_config"], parameters(ctx, meta["convnext_params_file"]))
    with torch.no_grad():
        found = ctx.subject.FeatureExtractor(first, second)(nchw(case.arrays["in/x"]))
    if problem := inventory_problem(meta, found):
        return ctx.judge(math.inf, problem)
    if not np.array_equal(as_array(found["global"]).ravel(), as_array(case.arrays["in/x"]).ravel()):
        return ctx.judge(math.inf, "global is not the sample, flattened with channels last")
    got = {f"act/{name}": value for name, value in found.items()}
    return compare(case, got, lambda _: recorded_tolerance(case, "maxabs")).judge(ctx)


@check("features.loss_recorded", needs=(*LOSS, "recording"))
def loss_recorded(ctx: CheckContext) -> Measurement:
    """Three recorded steps: features, loss of each feature, total, gradient of the samples."""
    case = recorded(ctx, "train_step")
    meta = case.meta
    model = autoencoder(ctx, meta["mae_config"], parameters(ctx, meta["mae_params_file"]))
    without = ctx.subject.FeatureConfig(without=frozenset(meta["dropped_features"]))
    extractor = ctx.subject.FeatureExtractor(model, config=without)
    compared = Comparison()
    for step in range(3):
        compared.add(_step(ctx, case, extractor, f"step{step}/"), f"step{step}/")
        if compared.first_difference:
            break  # the steps after it would say the same
    return compared.judge(ctx)


@check("features.frozen", needs=LOSS)
def frozen(ctx: CheckContext) -> Measurement:
    """No parameter of an encoder gets a gradient, every sample does, real samples do not."""
    extractor, given = _toy(ctx)
    extractor.train()
    loss, _ = ctx.subject.sample_loss(extractor, *given)
    loss.backward()
    odd = [n for n, p in extractor.named_parameters() if p.requires_grad or p.grad is not None]
    if odd:
        return ctx.decide(False, f"encoder parameter {odd[0]} is trained ({len(odd)} in all)")
    if any(part.training for part in extractor.modules()):
        return ctx.decide(False, "an encoder is in training mode")
    samples, positives, unconditional, _ = given
    if samples.grad is None or not bool((samples.grad.flatten(1).norm(dim=1) > 0).all()):
        return ctx.decide(False, "a generated sample gets no gradient through the encoders")
    if positives.grad is not None or unconditional.grad is not None:
        return ctx.decide(False, "a real sample gets a gradient")
    real = ctx.subject.real_features(extractor, positives, unconditional)
    tracked = [name for name, value in real.items() if value.requires_grad]
    reason = f"the graph of real feature {tracked[0]} is kept" if tracked else "frozen encoders"
    return ctx.decide(not tracked, reason)


@check("features.chunks", needs=(*LOSS, "real_features"))
def chunks(ctx: CheckContext) -> Measurement:
    """Real features computed a few samples at a time equal those computed at once."""
    extractor, (_, positives, unconditional, _) = _toy(ctx)
    whole = ctx.subject.real_features(extractor, positives, unconditional)
    errors = {}
    for size in ctx.params["sizes"]:
        pieces = ctx.subject.real_features(extractor, positives, unconditional, chunk=size)
        if list(pieces) != list(whole):
            return ctx.judge(math.inf, f"chunks of {size}: other names")
        for name, value in whole.items():
            errors[f"{name} in chunks of {size}"] = off(pieces[name], value)
    return ctx.judge_worst(errors, "features that change with the chunks")


def off(found: Tensor, expected: Tensor) -> float:
    """The largest difference, of the largest value, or of one where all are smaller."""
    return largest(as_array(found) - as_array(expected)) / max(1.0, largest(expected))


@check("features.inventory", needs=LOSS)
def inventory(ctx: CheckContext) -> Measurement:
    """The paper's ablation keeps exactly the entries that its letters name."""
    suffixes = {"a": ("",), "b": ("_mean", "_std")}
    suffixes |= {"c": ("_mean_2", "_std_2"), "d": ("_mean_4", "_std_4")}
    extractor, (samples, *_) = _toy(ctx)
    everything = list(extractor(samples))
    maps = [name for name in everything if f"{name}_mean" in everything]
    for letters, parts in ctx.params["cases"].items():
        config = ctx.subject.FeatureConfig.from_inventory(letters)
        chosen = ctx.subject.FeatureExtractor(extractor.encoder, config=config)(samples)
        endings = [ending for part in parts for ending in suffixes[part]]
        expected = [
            name
            for name in everything
            if name in ("global", "norm_x") or any(name == m + e for m in maps for e in endings)
        ]
        if list(chosen) != expected:
            odd = sorted(set(chosen) ^ set(expected)) or ["the order"]
            return ctx.decide(False, f"inventory {letters!r}: {odd[0]} is wrong")
    return ctx.decide(True, f"{len(ctx.params['cases'])} inventories keep what their letters name")


@check("features.optional_terms", needs=LOSS)
def optional_terms(ctx: CheckContext) -> Measurement:
    """`global`, `norm_x` and named entries can be left out, and nothing else goes with them."""
    extractor, (samples, *_) = _toy(ctx)
    everything = list(extractor(samples))
    cases: dict[str, dict[str, Any]] = {
        "global": {"vanilla": False},
        "norm_x": {"input_statistic": False},
        "layer2_std": {"without": frozenset({"layer2_std"})},
    }
    for name, switches in cases.items():
        config = ctx.subject.FeatureConfig(**switches)
        found = list(ctx.subject.FeatureExtractor(extractor.encoder, config=config)(samples))
        if name not in everything or found != [key for key in everything if key != name]:
            return ctx.decide(False, f"{switches}: {sorted(set(found) ^ set(everything))} left out")
    return ctx.decide(True, "each term can be left out on its own")


@check("features.loss_precision", needs=LOSS)
def loss_precision(ctx: CheckContext) -> Measurement:
    """Inside autocast the loss is float32 and the same, bit by bit, and so is the gradient."""
    results = []
    for enabled in (False, True):
        extractor, given = _toy(ctx)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss, _ = ctx.subject.sample_loss(extractor, *given)
        loss.backward()
        results.append((loss, given[0].grad))
    if results[1][0].dtype != torch.float32:
        return ctx.decide(False, f"the loss is {results[1][0].dtype} inside autocast")
    for what, outside, inside in zip(("loss", "gradient"), *results, strict=True):
        if not torch.equal(outside, inside):
            error = largest(as_array(inside) - as_array(outside))
            return ctx.decide(False, f"the {what} changes by {error:.3g} inside autocast")
    return ctx.decide(True, "loss and gradient are the same inside autocast")


def _toy(ctx: CheckContext) -> tuple[Any, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """A small extractor, and 2 labels with 3 samples, 4 positives and 2 unconditional ones each."""
    generator = torch.Generator().manual_seed(ctx.seed)
    samples = torch.randn(6, 2, 16, 16, generator=generator).requires_grad_()
    positives = torch.randn(2, 4, 2, 16, 16, generator=generator).requires_grad_()
    unconditional = torch.randn(2, 2, 2, 16, 16, generator=generator).requires_grad_()
    alpha = torch.tensor([1.5, 3.0])
    extractor = ctx.subject.FeatureExtractor(small_trunk(ctx, layers=[1, 2, 1, 1]))
    return extractor, (samples, positives, unconditional, alpha)


def _step(ctx: CheckContext, case: Case, extractor: Any, prefix: str) -> Comparison:
    """One recorded step, in the order of computation."""
    arrays, meta = case.arrays, case.meta
    samples = nchw(arrays[prefix + "samples"]).requires_grad_()
    taus = meta["loss_kwargs"]["R_list"]
    stages = [stage for stage in case.stages if stage.startswith(f"{prefix}feat_")]
    with ctx.subject.recording() if stages else nullcontext({}) as trace:
        loss, info = ctx.subject.sample_loss(
            extractor,
            samples,
            nchw(arrays[prefix + "in/positive"]),
            nchw(arrays[prefix + "in/negative"]),
            torch.tensor(arrays[prefix + "cfg"]),
            temperatures=taus,
        )
    loss.backward()
    compared = Comparison()
    for stage in stages:
        limit = FEATURE_SHARE * largest(arrays[stage])
        name = stage.removeprefix(prefix)
        compared.hold(name, trace.get(name), arrays[stage], limit)
    names = meta["feature_names"]
    if {f"loss/{name}" for name in names} != {key for key in info if key.startswith("loss/")}:
        compared.put("names of the features", math.inf)
        return compared
    allowed = recorded_tolerance(case, "per_feature_loss_rel")
    for name, expected in zip(names, arrays[prefix + "loss_per_feature"], strict=True):
        compared.hold(f"loss of {name}", info[f"loss/{name}"], expected, relative=allowed)
    allowed = recorded_tolerance(case, "loss_rel")
    compared.hold("loss", loss, arrays[prefix + "loss"], relative=allowed)
    grad = torch.zeros_like(samples) if samples.grad is None else samples.grad
    expected = arrays[prefix + "grad_samples"]
    limit = recorded_tolerance(case, "grad_rel_of_leaf_max") * largest(expected)
    compared.hold("grad_samples", grad.movedim(1, -1), expected, limit)
    return compared


def _images(case: Case) -> Tensor:
    if "in/x" in case.arrays:
        return nchw(case.arrays["in/x"])
    return nchw(np.tile(case.arrays["in/x_tile"], (1, 4, 4, 1)))
