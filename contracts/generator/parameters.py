"""Parameters of the generator: lists, shapes and totals, and the values they start with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import largest

from ..common import golden
from .cases import NEEDS, Built, configured, reference_names

UNIFORM_PEAK = 2.0  # max|x| / std is 1.73 for a uniform law and above 2.5 for a normal one
KURTOSIS = {"uniform": 1.8, "normal": 3.0}
POSITIONS = "LightningDiT_0/pos_embed"


@check("generator.parameters", needs=NEEDS)
def parameter_lists(ctx: CheckContext) -> Measurement:
    """Paths, shapes and totals of all columns on the meta device; nothing is allocated."""
    totals = ctx.fact("reference:generator.parameters")
    counts: dict[str, int] = {}
    for column, name in ctx.params["columns"].items():
        record = golden.words(ctx, name)
        problem, counts[column] = _hold_against_list(ctx, record)
        expected = totals[column]
        if problem or counts[column] != expected or record["param_count"] != expected:
            found = f"{counts[column]:,} parameters, expected {expected:,}"
            return ctx.decide(False, f"{column}: {problem or found}")
    return ctx.decide(
        True,
        f"{len(counts)} configurations, one to one with the recorded lists",
        details={"parameters": counts},
    )


def _hold_against_list(ctx: CheckContext, record: Mapping[str, Any]) -> tuple[str | None, int]:
    """(what differs, number of parameters) of one recorded configuration."""
    config = configured(ctx, record["model_config"])
    with torch.device("meta"):
        model = ctx.subject.Generator(config)
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    count = sum(math.prod(shape) for shape in own.values())
    allocated = [name for name, value in model.state_dict().items() if not value.is_meta]
    if allocated:
        return f"{allocated[0]} is allocated on the meta device", count
    flat = {path: torch.empty(shape, device="meta") for path, shape in record["params"].items()}
    try:
        state = ctx.subject.generator_state_dict(flat, config)
    except ValueError as error:
        return str(error).replace("\n", " ")[:300], count
    mapped = {name: tuple(value.shape) for name, value in state.items()}
    odd = sorted(set(own.items()) ^ set(mapped.items()))
    return (f"{odd[0][0]} is not where the list has it" if odd else None), count


@check("generator.initial_statistics", needs=NEEDS)
def initial_statistics(ctx: CheckContext) -> Measurement:
    """Mean, spread and family of each parameter against the recorded ones, in standard errors."""
    record = golden.words(ctx, "init_stats_ditgen")
    built = _fresh(ctx, record)
    paths = reference_names(ctx, built)
    errors: dict[str, float] = {}
    for ours, value in built.model.state_dict().items():
        path = paths[ours]
        problem, errors[path] = _statistical_distance(value, record["stats"][path], path)
        if problem:
            return ctx.decide(False, f"{path}: {problem}")
    return ctx.judge_worst(errors, "distance of what is drawn", unit="standard errors")


def _fresh(ctx: CheckContext, record: Mapping[str, Any]) -> Built:
    config = configured(ctx, record["model_config"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ctx.seed)
        model = ctx.subject.Generator(config)
    flat = {path: torch.empty(stats["shape"]) for path, stats in record["stats"].items()}
    return Built(model, config, flat)


def _statistical_distance(
    value: Tensor, stats: Mapping[str, Any], path: str
) -> tuple[str | None, float]:
    """(what is categorically wrong, distance in standard errors of two independent draws)."""
    mean, std = float(value.double().mean()), float(value.double().std(correction=0))
    if stats["std"] == 0.0:
        constant = bool((value == stats["mean"]).all())
        return (
            None if constant else f"not all {stats['mean']}: mean {mean:.3g}, std {std:.3g}"
        ), 0.0
    if path == POSITIONS:
        off = max(abs(mean - stats["mean"]), abs(std - stats["std"]))
        return (None if off < 1.0e-5 else f"mean or spread off by {off:.3g}"), 0.0
    peak = max(abs(stats["min"]), abs(stats["max"])) / stats["std"]
    family = "uniform" if peak < UNIFORM_PEAK else "normal"
    own_peak = largest(value) / std if std else math.inf
    if (own_peak < UNIFORM_PEAK) != (family == "uniform"):
        return (
            f"largest value is {own_peak:.2f} standard deviations, not that of a {family} law",
            0.0,
        )
    n = value.numel()
    of_mean = abs(mean - stats["mean"]) / (stats["std"] * math.sqrt(2.0 / n))
    of_spread = abs(math.log(std / stats["std"])) / math.sqrt((KURTOSIS[family] - 1.0) / (2.0 * n))
    return None, max(of_mean, of_spread)


@check("generator.initial_positions", needs=NEEDS)
def initial_positions(ctx: CheckContext) -> Measurement:
    """The freshly built position table against the recorded one."""
    case = golden.recorded(ctx, "ditgen_main")
    expected = torch.from_numpy(case.arrays["init/pos_embed_sincos"].copy())
    flat = golden.tensors(case, "params")
    config = configured(ctx, case.meta["model_config"])
    paths = reference_names(ctx, Built(None, config, flat))
    fresh = ctx.subject.Generator(config).state_dict()
    found = next(value for ours, value in fresh.items() if paths[ours] == POSITIONS)
    error = largest(found - expected) if found.shape == expected.shape else math.inf
    if not math.isfinite(error):
        return ctx.decide(False, f"positions have the shape {tuple(found.shape)}")
    return ctx.judge(error, f"positions differ from the recorded table by at most {error:.2g}")
