"""The drifting loss on features (paper, A.5-A.7; symbols and equations: `specs/`).

Shapes: B groups (class labels, or labels times locations), G generated, N unconditional and P
positive samples, T = G + N + P targets in this order, S features, tau a temperature.

The objective pulls each normalised sample x_n = gen / sg(c) towards sg(x_n + force), c being the
coordinate scale. So the value is mean(force^2) and the gradient is -2 force / (G S c), both known
in the forward pass: the gradient is all that is kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drift import cfg, clouds, kernels, target, trace
from drift.native import target as natively
from drift.passes import Drift
from drift.semantics import Semantics, semantics_named
from drift.totals import ProcessGroup

__all__ = ["drift_loss", "feature_loss"]


def drift_loss(
    gen: Tensor,
    pos: Tensor,
    neg: Tensor | None = None,
    *,
    weight_gen: Tensor | None = None,
    weight_pos: Tensor | None = None,
    weight_neg: Tensor | None = None,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),
    semantics: str = "reference",
    group: ProcessGroup | None = None,
    kernel: str = "plain",
) -> tuple[Tensor, dict[str, Tensor]]:
    """gen [B, G, S], pos [B, P, S], neg [B, N, S] -> loss [B] and the raw figures behind it.

    weight_*      [B, G], [B, P], [B, N]; one where not given; not negative, and not all zero
    temperatures  distinct, above 0, in units of the mean distance; their forces are added
    semantics     "reference" (the published checkpoints) or "paper" (`drift.semantics`)
    group         the processes whose groups make one call together: each has its own B, which may
                  be 0; all others of the arguments are alike. Two collectives; loss and gradient
                  are those of this process's groups, `info` is the same everywhere
    kernel        "plain", "compiled" or "fused" (`drift.kernels`)

    info holds detached scalars: `scale`, the weighted mean distance over the whole call, and for
    each temperature `loss_<tau>`, the mean square of its force before normalisation. The loss
    itself is flat by construction; `loss_<tau>` are the figures that fall.

    Computed in float32, or in float64 where gen is float64, also inside autocast. The gradient
    reaches gen only, and only through x_n. There is no second derivative. Raises InputError
    with the argument's name where an argument does not fit.
    """
    switches = semantics_named(semantics)
    taus = clouds.checked_temperatures(temperatures)
    sharded = group is not None
    call = clouds.gather(gen, pos, neg, weight_gen, weight_pos, weight_neg, sharded)
    with torch.no_grad(), kernels.precisely(kernel, gen.device):
        drift = drifts({"": call}, taus, switches, group, kernel, of_mean=False)[""]
        _record_outcome(call.gen, drift, 1)
    return attach_gradient(gen, drift), drift.info


def feature_loss(
    gen_features: Mapping[str, Tensor],
    real_features: Mapping[str, Tensor],
    alpha: Tensor,
    *,
    positives: int,
    temperatures: Sequence[float],
    semantics: str,
    group: ProcessGroup | None = None,
    kernel: str = "plain",
) -> tuple[Tensor, dict[str, Tensor]]:
    """name -> gen [B, G, L, D] and real [B, P + N, L, D]; alpha [B] -> loss, a scalar, and info.

    The first P = `positives` real samples are the positives, the others are unconditional and get
    the weight w(alpha) (A.7); all other weights are one. Each of the L locations is a group of its
    own, and one name is one call of `drift_loss` with B L groups, so that its scales are shared by
    all labels and locations (A.6). The loss is the mean over groups (under `paper`: the sum over
    locations, the mean over labels), added over names. No gradient reaches the real features.

    With a process `group`, whose members hold the labels between them (B may be 0 on some), loss
    and info are those of all labels, the same on each process, and the gradient is that of this
    loss with respect to the features of this process: gradients of shared parameters have to be
    added over processes, not averaged. Two collectives, whatever the number of names; meanwhile
    the forces of all names are held.

    kernel is that of `drift_loss`. info holds, detached and for each name, `loss/<name>`,
    `scale/<name>`, `loss_<tau>/<name>`. A trace has its stages under `<name>/`.
    """
    switches = semantics_named(semantics)
    taus = clouds.checked_temperatures(temperatures)
    generated, real_samples = clouds.check_features(gen_features, real_features, alpha, positives)
    w = cfg.uncond_weight(alpha, generated=generated, unconditional=real_samples - positives)
    names = list(gen_features)
    values: list[Tensor] = []
    info: dict[str, Tensor] = {}
    for together in [names] if group is not None else [[name] for name in names]:
        gen = {name: clouds.fold_locations(gen_features[name]) for name in together}
        with torch.no_grad(), kernels.precisely(kernel, alpha.device):
            calls = {
                name: _call_of(gen[name], real_features[name], w, positives, group)
                for name in together
            }
            outcomes = drifts(calls, taus, switches, group, kernel, of_mean=True)
        for name, drift in outcomes.items():
            with trace.scope(name):
                _record_outcome(calls[name].gen, drift, drift.groups)
            mean = attach_gradient(gen[name], drift, mean_over_groups(drift, group))
            values.append(reduce_locations(mean, gen_features[name].shape[2], switches))
            info[f"loss/{name}"] = values[-1].detach()
            info.update({f"{figure}/{name}": number for figure, number in drift.info.items()})
    return torch.stack(values).sum(), info


def drifts(
    calls: Mapping[str, clouds.Clouds],
    taus: Sequence[float],
    switches: Semantics,
    group: ProcessGroup | None,
    kernel: str,
    *,
    of_mean: bool,
) -> dict[str, Drift]:
    """Losses and their gradient, by name, in the way that `drift.kernels.used` says."""
    device = next(iter(calls.values())).gen.device
    if kernels.used(kernel, device) == "compiled":
        return natively.drifts(calls, taus, switches, group, of_mean=of_mean)
    return target.drifts(calls, taus, switches, group, kernel, of_mean=of_mean)


def _call_of(
    gen: Tensor, real: Tensor, w: Tensor, positives: int, group: ProcessGroup | None
) -> clouds.Clouds:
    """gen [B L, G, D] and real [B, P + N, L, D], w [B] -> the call of one name."""
    locations, unconditional = real.shape[2], real.shape[1] - positives
    folded = clouds.fold_locations(real.detach())
    weight_neg = w[:, None, None].expand(-1, locations, unconditional).flatten(0, 1)
    pos, neg = folded[:, :positives], folded[:, positives:]
    return clouds.gather(gen, pos, neg, None, None, weight_neg, group is not None)


def reduce_locations(mean: Tensor, locations: int, switches: Semantics) -> Tensor:
    """The mean over labels and locations -> over both, or the sum over L and the mean over B."""
    return mean * locations if switches.location_reduction == "sum" else mean


def mean_over_groups(drift: Drift, group: ProcessGroup | None) -> Tensor:
    """The mean loss over the groups of all processes."""
    return drift.loss.mean() if group is None else drift.mean


class _Pull(torch.autograd.Function):
    """A value, loss [B] or its mean, with the gradient of a Drift, [B, G, S]."""

    @staticmethod
    def forward(ctx: Any, gen: Tensor, value_and_gradient: tuple[Tensor, Tensor]) -> Tensor:
        value, gradient = value_and_gradient
        ctx.save_for_backward(gradient)
        ctx.dtype = gen.dtype
        return value

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            # Otherwise the second derivative would be zero without a word.
            raise RuntimeError("drift_loss has no second derivative; drop create_graph=True")
        (gradient,) = ctx.saved_tensors
        if not _all_ones(grad_loss):
            gradient = gradient * grad_loss.reshape(-1, 1, 1)
        return gradient.to(ctx.dtype), None


def _all_ones(numbers: Tensor) -> bool:
    """Whether a pass over the gradient would change nothing; a GPU is not waited for to know."""
    return numbers.device.type == "cpu" and set(numbers.reshape(-1).tolist()) <= {1.0}


def attach_gradient(gen: Tensor, drift: Drift, value: Tensor | None = None) -> Tensor:
    """The loss [B], or its mean, as a function of gen: of x_n = gen / sg(c) alone.

    value  what the gradient is of; None: the losses
    """
    loss: Tensor = _Pull.apply(gen, (drift.loss if value is None else value, drift.gradient))
    return loss


def _record_outcome(gen: Tensor, drift: Drift, groups: Tensor | int) -> None:
    """groups: those that the gradient is divided by."""
    if not trace.active():
        return
    gradient = drift.gradient * torch.as_tensor(groups).reshape(-1, 1, 1)
    force = gradient / target.gradient_factor(gen.shape, drift.coordinate_scale)
    trace.record("step32/force_across_R", force)
    trace.record("step32/goal_scaled", gen / drift.coordinate_scale + force)
    for folder in ("step32", "out"):
        trace.record(f"{folder}/loss", drift.loss)
        trace.record(f"{folder}/grad_gen", gradient)
