"""Checks of the optimisation step against three recorded ones; interface v1 of the subject only."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import largest

from ..common import golden

NEEDS = (
    "train_step",
    "StepBatch",
    "TrainState",
    "TrainConfig",
    "Generator",
    "GeneratorConfig",
    "MaskedAutoencoder",
    "EncoderConfig",
    "generator_state_dict",
    "encoder_state_dict",
)
STEPS = (0, 1, 2)


@dataclass(frozen=True)
class Replay:
    """The recorded case and a state of the subject that stands before the first step."""

    case: golden.Case
    state: Any
    config: Any  # of the generator

    def recorded(self, step: int, group: str, subject: Any) -> Mapping[str, Tensor]:
        """Recorded parameters of a step in the subject's own layout."""
        flat = golden.tensors(self.case, f"step{step}/{group}")
        layout: Mapping[str, Tensor] = subject.generator_state_dict(flat, self.config)
        return layout

    def scalar(self, name: str) -> float:
        """A recorded number."""
        return float(self.case.arrays[name])


def replay(ctx: CheckContext) -> Replay:
    """Build generator, encoder and state of the recorded case."""
    torch.manual_seed(ctx.seed)
    case = golden.recorded(ctx, ctx.params["case"])
    encoders = golden.load_case(ctx.spec_file(f"golden/{case.meta['mae_params_file']}"))
    config = ctx.subject.GeneratorConfig.from_reference(case.meta["generator_config"])
    encoder_config = ctx.subject.EncoderConfig.from_reference(case.meta["mae_config"])
    generator = ctx.subject.Generator(config)
    generator.load_state_dict(
        ctx.subject.generator_state_dict(golden.tensors(case, "before/params"), config)
    )
    encoder = ctx.subject.MaskedAutoencoder(encoder_config)
    encoder.load_state_dict(
        ctx.subject.encoder_state_dict(golden.tensors(encoders, "params"), encoder_config)
    )
    train_config = ctx.subject.TrainConfig.from_reference(case.meta)
    return Replay(case, ctx.subject.TrainState.create(generator, encoder, train_config), config)


def batch(ctx: CheckContext, case: golden.Case, step: int) -> Any:
    """Everything that the recorded step drew, channels first."""

    def get(name: str) -> Tensor:
        return torch.from_numpy(case.arrays[f"step{step}/{name}"].copy())

    return ctx.subject.StepBatch(
        labels=get("in/labels").long(),
        positives=get("in/positive").movedim(-1, -3),
        unconditional=get("in/negative").movedim(-1, -3),
        noise=get("noise/x").movedim(-1, -3),
        style=get("noise/noise_labels").long(),
        alpha=get("cfg"),
    )


@check("train.losses", needs=NEEDS)
def losses(ctx: CheckContext) -> Measurement:
    """Loss, per-feature losses and gradient norm; parameters are reset to the recorded ones."""
    run = replay(ctx)
    allowed = run.case.meta["tolerance_allowed"]
    compared = golden.Comparison()
    for step in STEPS:
        _restore(ctx, run, step)
        _, metrics = ctx.subject.train_step(run.state, batch(ctx, run.case, step))
        expected = run.case.arrays[f"step{step}/loss_per_feature"]
        wanted = {
            f"loss/{n}": v for n, v in zip(run.case.meta["feature_names"], expected, strict=True)
        }
        for name, value in wanted.items():
            limit = allowed["per_feature_loss_rel"]
            compared.hold(f"step{step}/{name}", metrics.get(name), value, relative=limit)
        for name, key, rule in (
            ("loss", "loss", "loss_rel"),
            ("grad_norm", "g_norm_before_clip", "g_norm_rel"),
        ):
            value = run.scalar(f"step{step}/{key}")
            compared.hold(f"step{step}/{name}", metrics[name], value, relative=allowed[rule])
    return compared.judge(ctx)


@check("train.gradients", needs=NEEDS)
def gradients(ctx: CheckContext) -> Measurement:
    """Gradients before clipping: the limit is lifted so that the step leaves them as they are."""
    run = replay(ctx)
    allowed = run.case.meta["tolerance_allowed"]["grad_rel_of_leaf_max"]
    compared = golden.Comparison()
    for step in STEPS:
        _restore(ctx, run, step)
        kept: dict[str, Tensor] = {}
        hooks = [
            parameter.register_post_accumulate_grad_hook(_keeper(kept, name))
            for name, parameter in run.state.generator.named_parameters()
        ]
        ctx.subject.train_step(run.state, batch(ctx, run.case, step))
        for hook in hooks:
            hook.remove()
        for name, wanted in run.recorded(step, "grad_before_clip", ctx.subject).items():
            limit = allowed * largest(wanted)
            compared.hold(f"step{step}/grad/{name}", kept.get(name), wanted, limit)
    return compared.judge(ctx)


@check("train.update", needs=(*NEEDS, "update"))
def update(ctx: CheckContext) -> Measurement:
    """Recorded gradients in, recorded parameters and averages out."""
    run = replay(ctx)
    allowed = run.case.meta["tolerance_allowed"]["optimizer_only_params_abs"]
    compared = golden.Comparison()
    for step in STEPS:
        recorded = run.recorded(step, "grad_before_clip", ctx.subject)
        for name, parameter in run.state.generator.named_parameters():
            parameter.grad = recorded[name].clone()
        ctx.subject.update(run.state)
        compared.add(_parameters(ctx, run, step, allowed), f"step{step}/")
    return compared.judge(ctx)


@check("train.chained", needs=NEEDS)
def chained(ctx: CheckContext) -> Measurement:
    """Three steps in a row from the recorded start."""
    run = replay(ctx)
    share = run.case.meta["tolerance_allowed"]["chained_params_abs_over_lr"]
    compared = golden.Comparison()
    for step in STEPS:
        ctx.subject.train_step(run.state, batch(ctx, run.case, step))
        compared.add(
            _parameters(ctx, run, step, share * run.scalar(f"step{step}/lr")), f"step{step}/"
        )
    return compared.judge(ctx)


@check("train.accumulated", needs=(*NEEDS, "train_gradients"))
def accumulated(ctx: CheckContext) -> Measurement:
    """Gradients in passes against those of the whole batch, entry by entry."""
    run = replay(ctx)
    drawn = batch(ctx, run.case, 0)
    whole_loss, whole = _gradients(ctx, run, drawn)
    errors: dict[str, float] = {}
    for labels in ctx.params["labels_per_pass"]:
        run.state.config = dataclasses.replace(run.state.config, labels_per_pass=labels)
        loss, parts = _gradients(ctx, run, drawn)
        errors[f"loss with {labels} labels a pass"] = abs(loss - whole_loss) / abs(whole_loss)
        for name, wanted in whole.items():
            off = largest(parts[name] - wanted) / max(largest(wanted), 1e-12)
            errors[f"{name} with {labels} labels a pass"] = off
    return ctx.judge_worst(errors, "difference", unit="of the largest entry")


def _gradients(ctx: CheckContext, run: Replay, drawn: Any) -> tuple[float, dict[str, Tensor]]:
    run.state.optimizer.zero_grad(set_to_none=True)
    loss, _ = ctx.subject.train_gradients(run.state, drawn)
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in run.state.generator.named_parameters()
    }
    return float(loss), gradients


@check("train.not_finite", needs=NEEDS)
def not_finite(ctx: CheckContext) -> Measurement:
    """A NaN in the noise must not reach parameters, averages or moments."""
    run = replay(ctx)
    drawn = batch(ctx, run.case, 0)
    drawn.noise[0, 0, 0, 0] = math.nan
    before = {k: v.clone() for k, v in run.state.generator.state_dict().items()}
    try:
        ctx.subject.train_step(run.state, drawn)
        raised = False
    except FloatingPointError:
        raised = True
    after = run.state.generator.state_dict()
    untouched = all(torch.equal(before[name], after[name]) for name in before)
    reason = f"raised: {raised}; parameters untouched: {untouched}; steps done: {run.state.step}"
    return ctx.decide(raised and untouched and run.state.step == 0, reason)


def _restore(ctx: CheckContext, run: Replay, step: int) -> None:
    """Put the recorded parameters before a step into the generator."""
    if step:
        run.state.generator.load_state_dict(run.recorded(step - 1, "params_after", ctx.subject))


def _keeper(kept: dict[str, Tensor], name: str) -> Any:
    def keep(parameter: Tensor) -> None:
        assert parameter.grad is not None
        kept[name] = parameter.grad.detach().clone()

    return keep


def _parameters(ctx: CheckContext, run: Replay, step: int, allowed: float) -> golden.Comparison:
    """Every parameter and average after a step."""
    (average,) = run.state.ema.values()
    held = {"params": run.state.generator.state_dict(), "ema": average}
    compared = golden.Comparison()
    for group, values in held.items():
        for name, wanted in run.recorded(step, f"{group}_after", ctx.subject).items():
            compared.hold(f"{group}/{name}", values[name], wanted, allowed)
    return compared
