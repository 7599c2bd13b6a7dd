"""Realistic mistakes in a generator's initial values, layout and edges; patched in place."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from drift.generator import checks, config, init, model
from drift.interop import generator_layout, layout
from verify.api import mutant

# -- initial values --------------------------------------------------------------------------------


@mutant("generator.head_not_zero")
def head_not_zero(subject: object) -> Any:
    return patch.object(init, "output_", init.xavier_)


@mutant("generator.adaln_not_zero")
def adaln_not_zero(subject: object) -> Any:
    return patch.object(init, "modulation_", init.xavier_)


@mutant("generator.initial_std")
def initial_std(subject: object, *, name: str, std: float) -> Any:
    """One of the standard deviations, by its name in drift.generator.init, is another one."""
    return patch.object(init, name, std)


@mutant("generator.alpha_mlp_xavier")
def alpha_mlp_xavier(subject: object) -> Any:
    return patch.object(init, "alpha_", init.xavier_)


@mutant("generator.linears_normal")
def linears_normal(subject: object) -> Any:
    """Xavier-normal: the right spread from the wrong family."""

    def normal(weight: Tensor, generator: torch.Generator | None) -> None:
        nn.init.xavier_normal_(weight, generator=generator)

    return patch.object(init, "xavier_", normal)


@mutant("generator.positions_allocated")
def positions_allocated(subject: object) -> Any:
    """The position table is computed on the CPU whatever device was asked for."""
    real = init.initialise

    def on_cpu(module: Any, generator: Any, **parts: Any) -> None:
        module.positions = nn.Parameter(torch.zeros(module.positions.shape, device="cpu"))
        real(module, generator, **parts)

    return patch.object(init, "initialise", on_cpu)


# -- machinery -------------------------------------------------------------------------------------


@mutant("generator.checkpointing_ignored")
def checkpointing_ignored(subject: object) -> Any:
    """The switch is read and nothing is recomputed."""
    return patch.object(model, "recomputed", lambda block, x, cond: block(x, cond))


@mutant("generator.checkpointing_detaches")
def checkpointing_detaches(subject: object) -> Any:
    """The recomputed block loses the gradient of the condition."""
    real = model.recomputed
    return patch.object(model, "recomputed", lambda block, x, cond: real(block, x, cond.detach()))


@mutant("generator.unchecked_inputs")
def unchecked_inputs(subject: object) -> Any:
    return patch.object(checks, "check_inputs", lambda *given: None)


@mutant("generator.unchecked_ranges")
def unchecked_ranges(subject: object) -> Any:
    return patch.object(checks, "_check_indices", lambda name, value, limit: None)


@mutant("generator.unknown_keys_ignored")
def unknown_keys_ignored(subject: object) -> Any:
    """from_reference picks the keys it knows."""
    real = config.GeneratorConfig.from_reference
    known = set(config.REFERENCE_KEYS.values())

    def lenient(model_config: Any) -> Any:
        return real({key: value for key, value in model_config.items() if key in known})

    return patch.object(config.GeneratorConfig, "from_reference", staticmethod(lenient))


@mutant("generator.layout_not_transposed")
def layout_not_transposed(subject: object) -> Any:
    """Kernels keep the reference's (in, out): only square ones would still fit."""
    return patch.dict(layout._TO_OURS, dense=None)


@mutant("generator.layout_gate_is_value")
def layout_gate_is_value(subject: object) -> Any:
    """The mapping sends the gated linear to the plain one."""
    return patch.dict(generator_layout.MLP_PARTS, SwiGLUFFN_0=("value", "gate", "out"))


@mutant("generator.layout_lenient")
def layout_lenient(subject: object) -> Any:
    """Parameters that are missing, surplus or misshapen are passed over."""

    def anything(given: Any, expected: Any, place: str) -> dict[str, Tensor]:
        fill = {name: torch.zeros(shape) for name, shape in expected.items()}
        return fill | {n: v for n, v in given.items() if n in fill and v.shape == fill[n].shape}

    return patch.object(layout, "_validated", anything)
