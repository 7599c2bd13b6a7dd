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


@mutant("generator.initial_std")
def initial_std(subject: object, *, name: str, std: float) -> Any:
    """One of the standard deviations, by its name in drift.generator.init, is another one."""
    return patch.object(init, name, std)


@mutant("generator.linears_normal", init, "xavier_")
def linears_normal(real: Any, weight: Tensor, generator: torch.Generator | None) -> None:
    """Xavier-normal: the right spread from the wrong family."""
    nn.init.xavier_normal_(weight, generator=generator)


@mutant("generator.positions_allocated", init, "initialise")
def positions_allocated(real: Any, module: Any, generator: Any, **parts: Any) -> None:
    """The position table is computed on the CPU whatever device was asked for."""
    module.positions = nn.Parameter(torch.zeros(module.positions.shape, device="cpu"))
    real(module, generator, **parts)


# -- machinery -------------------------------------------------------------------------------------


@mutant("generator.checkpointing_detaches", model, "recomputed")
def checkpointing_detaches(real: Any, block: Any, x: Any, cond: Any) -> Any:
    """The recomputed block loses the gradient of the condition."""
    return real(block, x, cond.detach())


@mutant("generator.unknown_keys_ignored")
def unknown_keys_ignored(subject: object) -> Any:
    """from_reference picks the keys it knows."""
    real = config.GeneratorConfig.from_reference
    known = set(config.REFERENCE_KEYS.values())

    def lenient(model_config: Any) -> Any:
        return real({key: value for key, value in model_config.items() if key in known})

    return patch.object(config.GeneratorConfig, "from_reference", staticmethod(lenient))


@mutant("generator.layout_lenient", layout, "_validated")
def layout_lenient(real: Any, given: Any, expected: Any, place: str) -> dict[str, Tensor]:
    """Parameters that are missing, surplus or misshapen are passed over."""
    fill = {name: torch.zeros(shape) for name, shape in expected.items()}
    return fill | {n: v for n, v in given.items() if n in fill and v.shape == fill[n].shape}


@mutant("generator.nan_in_a_batch", model.Generator, "forward")
def nan_in_a_batch(real: Any, self: Any, *inputs: Tensor) -> Any:
    """One entry of a sample is no number where others are drawn beside it."""
    samples = real(self, *inputs)
    if len(samples) > 1:
        samples[-1, -1, -1, -1] = torch.nan
    return samples


OTHER_VALUES = (
    mutant("generator.head_not_zero", init, output_=init.xavier_),
    mutant("generator.adaln_not_zero", init, modulation_=init.xavier_),
    mutant("generator.alpha_mlp_xavier", init, alpha_=init.xavier_),
    # The switch is read and nothing is recomputed.
    mutant(
        "generator.checkpointing_ignored", model, recomputed=lambda block, x, cond: block(x, cond)
    ),
    mutant("generator.unchecked_inputs", checks, check_inputs=lambda *given: None),
    mutant("generator.unchecked_ranges", checks, _check_indices=lambda name, value, limit: None),
    # Kernels keep the reference's (in, out): only square ones would still fit.
    mutant("generator.layout_not_transposed", layout._TO_OURS, dense=None),
    # The mapping sends the gated linear to the plain one.
    mutant(
        "generator.layout_gate_is_value",
        generator_layout.MLP_PARTS,
        SwiGLUFFN_0=("value", "gate", "out"),
    ),
)
