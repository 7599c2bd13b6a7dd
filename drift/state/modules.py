"""Model, AdamW and averages as named tensors, and back; shared by both kinds of training."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from drift.ranks import parallel
from drift.state.checkpoint import Checkpoint

MOMENTS = ("step", "exp_avg", "exp_avg_sq")

Averages = Mapping[float, dict[str, Tensor]]


def averages(model: nn.Module, decays: tuple[float, ...]) -> dict[float, dict[str, Tensor]]:
    """One average of the parameters for each decay; they start at the parameters."""
    return {
        decay: {name: p.detach().clone() for name, p in model.named_parameters()}
        for decay in decays
    }


def not_finite(model: nn.Module, ema: Averages) -> str | None:
    """The first parameter or average with NaN or infinity in it, by name; None where all are
    numbers."""
    named: list[tuple[str, Tensor]] = [*model.named_parameters()]
    for decay, averaged in ema.items():
        named += [(f"the average {decay} of {name}", value) for name, value in averaged.items()]
    return next(
        (name for name, value in named if not bool(parallel.local(value).isfinite().all())), None
    )


def fused(model: nn.Module) -> bool | None:
    """For AdamW: one pass over each parameter on a CPU, where torch otherwise makes a dozen.

    Elsewhere None, torch's own choice; so too for another layout in memory than that of moments,
    with which one pass would go by in another order.
    """
    held = all(p.device.type == "cpu" and p.is_contiguous() for p in model.parameters())
    return held or None


@torch.no_grad()
def average(model: nn.Module, ema: Averages) -> None:
    """ema * d + p * (1 - d) for every decay, after the update."""
    now = [(name, parallel.local(parameter)) for name, parameter in model.named_parameters()]
    for decay, averaged in ema.items():
        held = [parallel.local(averaged[name]) for name, _ in now]
        torch._foreach_mul_(held, decay)
        torch._foreach_add_(held, [parameter for _, parameter in now], alpha=1 - decay)


def capture(model: nn.Module, optimizer: torch.optim.Optimizer, ema: Averages) -> dict[str, Tensor]:
    """`model/*`, `ema/<decay>/*`, `optimizer/<moment>/*`, whole on the first process; all ask."""
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for decay, averaged in ema.items():
        tensors |= {f"ema/{decay}/{name}": value for name, value in averaged.items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{key}/{name}"] = torch.as_tensor(value)
    return {name: parallel.gathered(value) for name, value in tensors.items()}


def put_weights(kept: Checkpoint, model: nn.Module, ema: Averages) -> None:
    """Parameters and averages of a checkpoint into objects that were built for it."""
    spread = model.state_dict()
    model.load_state_dict(
        {
            name: parallel.spread_like(value, spread.get(name, value))
            for name, value in kept.group("model").items()
        }
    )
    for decay, averaged in ema.items():
        held = kept.group(f"ema/{decay}")
        for name, value in averaged.items():
            value.copy_(parallel.spread_like(held[name], value))


def put_moments(kept: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """AdamW's moments of a checkpoint; its step counter stays on the CPU, as AdamW keeps it."""
    for name, parameter in model.named_parameters():
        held = {key: kept.tensors.get(f"optimizer/{key}/{name}") for key in MOMENTS}
        if held["step"] is not None:
            optimizer.state[parameter] = {
                key: value
                if key == "step"
                else parallel.spread_like(value.to(parameter.device), parameter)
                for key, value in held.items()
                if value is not None
            }
