"""Where the loss ends: what it refuses, and where its gradient does not go."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from drift import clouds, loss, pairs, target
from drift.trace import scope as trace_scope
from verify.api import CheckContext, Measurement, check, mutant
from verify.numeric.arrays import as_array, largest, worst_of

from ..common.refusals import judge_refusals
from .laws import distance_to, expected_of, run_loss


def _rand(*shape: int, **options: Any) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape)), **options)


def _clouds(**changes: Any) -> dict[str, Any]:
    given = {"gen": _rand(2, 3, 4), "pos": _rand(2, 2, 4), "neg": _rand(2, 3, 4)}
    return {**given, **changes}


@check("loss.refusals", needs=("drift_loss", "InputError"))
def refusals(ctx: CheckContext) -> Measurement:
    """Every argument of the loss alone outside of its domain, and the edges of the domain."""
    none = _rand(2, 0, 4)
    weights = {"weight_neg": torch.ones(2, 3)}
    taken = {
        "one temperature": _clouds(temperatures=(0.5,)),
        "temperatures in any order": _clouds(temperatures=(0.2, 0.02)),
        "no other samples": _clouds(neg=none),
        "others that are not given": _clouds(neg=None),
        "half precision": _clouds(gen=_rand(2, 3, 4).bfloat16()),
    }
    refused = {
        "no temperature": ("temperatures", _clouds(temperatures=())),
        "a temperature of 0": ("temperatures", _clouds(temperatures=(0.2, 0.0))),
        "an infinite temperature": ("temperatures", _clouds(temperatures=(0.2, math.inf))),
        "a temperature twice": ("temperatures", _clouds(temperatures=(0.2, 0.2))),
        "weights of samples that are not given": ("weight_neg", _clouds(neg=None, **weights)),
        "a weight too few": ("weight_pos", _clouds(weight_pos=torch.ones(2, 1))),
        "weights of one axis": ("weight_gen", _clouds(weight_gen=torch.ones(3))),
        "samples without groups": ("gen", _clouds(gen=_rand(3, 4))),
        "no groups": ("gen", {name: cloud[:0] for name, cloud in _clouds().items()}),
        "no generated samples": ("gen", _clouds(gen=none)),
        "no positives": ("pos", _clouds(pos=none)),
        "samples of no features": (
            "gen",
            {name: cloud[..., :0] for name, cloud in _clouds().items()},
        ),
        "another number of groups": ("neg", _clouds(neg=_rand(3, 3, 4))),
        "another number of features": ("pos", _clouds(pos=_rand(2, 2, 5))),
        "whole numbers": ("pos", _clouds(pos=torch.ones(2, 2, 4, dtype=torch.int64))),
        "samples on another device": ("pos", _clouds(pos=_rand(2, 2, 4).to("meta"))),
        "unknown semantics": ("semantics", _clouds(semantics="papers")),
    }
    return judge_refusals(ctx, ctx.subject.drift_loss, taken, refused)


@check("loss.feature_refusals", needs=("feature_loss", "InputError"))
def feature_refusals(ctx: CheckContext) -> Measurement:
    """Every argument of the feature loss alone outside of its domain, and the edges."""

    def call(**changes: Any) -> object:
        given = {
            "gen_features": {"a": _rand(2, 3, 5, 4), "b": _rand(2, 3, 1, 6)},
            "real_features": {"a": _rand(2, 4, 5, 4), "b": _rand(2, 4, 1, 6)},
            "alpha": torch.ones(2), "positives": 3, "temperatures": (0.2,),
            "semantics": "reference", **changes,
        }  # fmt: skip
        return ctx.subject.feature_loss(
            given.pop("gen_features"), given.pop("real_features"), given.pop("alpha"), **given
        )

    def real(**changes: Tensor) -> dict[str, Any]:
        return {"real_features": {"a": _rand(2, 4, 5, 4), "b": _rand(2, 4, 1, 6), **changes}}

    def gen(**changes: Tensor) -> dict[str, Any]:
        return {"gen_features": {"a": _rand(2, 3, 5, 4), "b": _rand(2, 3, 1, 6), **changes}}

    taken = {"all real samples positive": {"positives": 4}, "one positive": {"positives": 1}}
    refused = {
        "no features": ("real_features", {"gen_features": {}, "real_features": {}}),
        "a name too many": ("real_features", real(c=_rand(2, 4, 1, 6))),
        "no positives": ("positives", {"positives": 0}),
        "more positives than real samples": ("positives", {"positives": 5}),
        "other generated samples of a name": ("gen_features['b']", gen(b=_rand(2, 2, 1, 6))),
        "other real samples of a name": ("real_features['b']", real(b=_rand(2, 3, 1, 6))),
        "other locations": ("real_features['a']", real(a=_rand(2, 4, 4, 4))),
        "features without locations": (
            "['a']",
            {**gen(a=_rand(2, 3, 4)), **real(a=_rand(2, 4, 4))},
        ),
        "labels that are not those of alpha": ("gen_features['a']", {"alpha": torch.ones(3)}),
    }
    return judge_refusals(ctx, call, taken, refused)


@check("loss.leaves_alone", needs=("drift_loss", "gathered_samples"))
def leaves_alone(ctx: CheckContext) -> Measurement:
    """Only the generated samples get a gradient; what is made besides lies where they lie."""
    given = {name: cloud.requires_grad_() for name, cloud in _clouds().items()}
    weights = {f"weight_{name}": torch.ones(cloud.shape[:2], requires_grad=True)
               for name, cloud in given.items()}  # fmt: skip
    value, info = ctx.subject.drift_loss(*given.values(), **weights)
    value.sum().backward()
    reached = [name for name, tensor in (given | weights).items() if tensor.grad is not None]
    if reached != ["gen"]:
        return ctx.decide(False, f"a gradient reaches {', '.join(reached)}, expected gen alone")
    if any(number.requires_grad for number in info.values()):
        return ctx.decide(False, "a figure of info carries a gradient")
    there = {name: cloud.detach().to("meta") for name, cloud in given.items()}
    half = {
        "weight_pos": torch.ones(2, 2, dtype=torch.float64),
        "weight_gen": None,
        "weight_neg": None,
    }
    call = ctx.subject.gathered_samples(**there, **half, sharded=False)
    places = {tensor.device.type for tensor in (*call.targets, call.weight)}
    good = places == {"meta"} and call.weight.dtype == torch.float32
    ours = ctx.subject.gathered_samples(**given, **weights, sharded=False)
    bare = not any(tensor.requires_grad for tensor in (*ours.targets, ours.weight))
    return ctx.decide(good and bare, f"samples on meta are gathered on {', '.join(places)}")


@check("loss.second_derivative", needs=("drift_loss",))
def second_derivative(ctx: CheckContext) -> Measurement:
    """There is none, and asking for one says so instead of giving zeros."""
    gen = _rand(2, 3, 4).requires_grad_()
    value, _ = ctx.subject.drift_loss(gen, _rand(2, 2, 4))
    try:
        torch.autograd.grad(value.sum(), gen, create_graph=True)
    except RuntimeError as error:
        return ctx.decide("second derivative" in str(error), f"refused: {error}")
    return ctx.decide(False, "a second derivative was given")


# What repels and what attracts: a difference, another, rounding alone, and none.
SIDES = ((-2e-6, 3e-6), (-5e-6, 3e-6), (-1.0, 1.0 + 2.4e-7), (-3e-6, 3e-6))


@check("loss.pieces", needs=("drift_loss", "recording"))
def pieces(ctx: CheckContext) -> Measurement:
    """A float32 call of many samples against the oracle, in one piece and in as many as can be.

    The engine's room is made so small that groups, close pairs and forces are treated one by one
    and no distance is kept.
    """
    rng, close = np.random.default_rng(ctx.seed), 1e-3
    sizes = {"gen": 24, "pos": 20, "neg": 12}
    given = {name: rng.normal(size=(3, size, 6)) for name, size in sizes.items()}
    given["pos"][:, :4] = given["gen"][:, :4] + close * rng.normal(size=(3, 4, 6))
    given = {name: cloud.astype(np.float32) for name, cloud in given.items()}
    expected = expected_of(ctx, given)
    errors = {"one": distance_to(expected, run_loss(ctx, given, "float32"))}
    small: dict[str, Any] = {"PIECE_BYTES": 1, "PIECE_BYTES_THREADED": 1, "SLAB_BYTES": 1}
    with patch.multiple(target, **small, KEPT_BYTES=0), patch.object(pairs, "DIFFERENCES", 9):
        errors["many"] = distance_to(expected, run_loss(ctx, given, "float32"))
    with ctx.subject.recording() as trace:
        ctx.subject.drift_loss(**{name: torch.from_numpy(cloud) for name, cloud in given.items()})
    sums = [largest(value) for name, value in trace.items() if name.endswith("total_coeffs")]
    if not sums or any(sums):
        return ctx.decide(False, f"coefficients of a sample add up to {sums}, expected exactly 0")
    rest = [float(pairs.total_coefficient(torch.tensor([[pair]]), 1)) for pair in SIDES]
    if [round(value * 1e6, 3) for value in rest] != [1.0, -2.0, 0.0, 0.0]:
        return ctx.decide(False, f"two sides {SIDES} add up to {rest}")
    return ctx.judge_worst(errors, "largest error, by the number of pieces")


@check("loss.feature_stages", needs=("feature_loss", "drift_loss", "recording"))
def feature_stages(ctx: CheckContext) -> Measurement:
    """What a trace has of a feature loss is what it has of the drifting loss of each name."""
    gen, real = _rand(2, 3, 5, 4), _rand(2, 5, 5, 4)
    options = {"temperatures": (0.2,), "semantics": "reference"}
    with ctx.subject.recording() as whole:
        ctx.subject.feature_loss({"a": gen}, {"a": real}, torch.ones(2), positives=3, **options)
    gen, real = (x.transpose(1, 2).flatten(0, 1) for x in (gen, real))
    weight = torch.zeros(len(real), 2)
    with ctx.subject.recording() as single:
        ctx.subject.drift_loss(gen, real[:, :3], real[:, 3:], weight_neg=weight, **options)
    missing = {f"a/{name}" for name in single} ^ {name for name in whole if name.startswith("a/")}
    if missing:
        return ctx.decide(False, f"stages of one trace alone: {', '.join(sorted(missing))}")
    off = worst_of(
        largest(as_array(whole[f"a/{name}"]) - as_array(single[name])) for name in single
    )
    return ctx.judge(off, f"{len(single)} stages, largest difference {off:.2g}")


@check("loss.paper_mask", needs=("drift_loss", "recording"))
def paper_mask(ctx: CheckContext) -> Measurement:
    """Under paper semantics 1e6 is added to the raw distance of a sample to itself."""
    with ctx.subject.recording() as trace:
        ctx.subject.drift_loss(*_clouds().values(), temperatures=(0.2,), semantics="paper")
    stages = {name.rpartition("/")[2]: as_array(value) for name, value in trace.items()}
    own = np.zeros_like(stages["dist"])
    own[:, range(3), range(3)] = ctx.params["added"]
    expected = (stages["dist"] + own) / stages["scale"]
    off = largest(stages["dist_normed_masked"] - expected) / largest(expected)
    return ctx.judge(off, f"masked distances are off by {off:.2g} of the largest")


@mutant("loss.last_group_of_a_piece", target, "summed_force")
def last_group_of_a_piece(real: Any, *given: Any) -> Tensor:
    """A call is treated in pieces, and the last of its groups gets the force of the first."""
    total = real(*given)
    return torch.cat([total[:-1], total[:1]])


@mutant("loss.paper_mask_value")
def paper_mask_value(subject: object, *, value: float) -> AbstractContextManager[object]:
    """Another number is added."""
    return patch.dict(pairs.SELF_MASKS, {"raw+1e6": value})


@mutant("loss.features_unchecked", clouds, "check_features")
def features_unchecked(
    _: Any, gen: Any, real: Any, alpha: Tensor, positives: int
) -> tuple[int, int]:
    """Sizes are those of the first name."""
    name = next(iter(gen))
    return gen[name].shape[1], real[name].shape[1]


@mutant("loss.pulls_the_positives", loss, "drift_loss")
def pulls_the_positives(real: Any, gen: Tensor, pos: Tensor, *more: Any, **options: Any) -> Any:
    """The positives get a gradient, so that an encoder of them would be trained along."""
    value, info = real(gen, pos, *more, **options)
    return value + pos.mean(dim=(1, 2)) - pos.detach().mean(dim=(1, 2)), info


@mutant("loss.zero_second_derivative")
def zero_second_derivative(subject: object) -> AbstractContextManager[object]:
    """The closed form is a constant to whoever differentiates it again."""

    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None]:
        return ctx.saved_tensors[0] * grad_loss[:, None, None], None

    return patch.object(loss._Pull, "backward", staticmethod(backward))


OTHER_VALUES = (
    # A trace of several features does not say whose stages it has.
    mutant("loss.stages_of_all_names_as_one", target, _stages=lambda name: trace_scope("step32")),
    # Temperatures are taken as they come.
    mutant("loss.unchecked", clouds, checked_temperatures=lambda given: tuple(map(float, given))),
)
