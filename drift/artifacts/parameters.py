"""Parameters of a template's models by module, against the paper's and the reference's totals.

Everything is built on the meta device: the largest model has 2.7e9 parameters, and none is
allocated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drift.artifacts import architectures
from drift.artifacts.architectures import Config
from drift.artifacts.schema import GENERATOR, MAE
from drift.config import Template, encoder_kwargs, generator_kwargs
from drift.encoder import EncoderConfig
from drift.generator import GeneratorConfig

# What the reference's own initialisation counts, per column of Table 8 (facts
# generator.parameters and encoder.parameters; contract ARTIFACT holds this table to them).
EXACT: Mapping[str, Mapping[str, int]] = {
    GENERATOR: {
        "ablation": 132_708_880,
        "B2": 132_708_880,
        "L2": 462_909_456,
        "B16": 133_864_704,
        "L16": 464_450_304,
    },
    MAE: {
        "ablation": 431_354_348,
        "B2": 2_687_866_604,
        "L2": 2_687_866_604,
        "B16": 2_689_069_992,
        "L16": 2_689_069_992,
    },
}
# Millions as printed in Tables 5 and 6; the ablation and the autoencoders are not listed there.
PRINTED: Mapping[str, Mapping[str, int]] = {
    GENERATOR: {"B2": 133, "L2": 463, "B16": 134, "L16": 464},
    MAE: {},
}
# An index in a parameter's name that repeats a module; stages differ, and keep theirs.
_INDEX = re.compile(r"(?<!\bstages)\.\d+(?=\.)")


@dataclass(frozen=True)
class Row:
    """Parameters of one module: how many tensors, how many elements, how often it repeats."""

    module: str
    tensors: int
    parameters: int
    repeats: int


@dataclass(frozen=True)
class Table:
    """One model of a template. `exact` and `printed_millions` are None where nobody states them."""

    template: str
    model: str
    rows: tuple[Row, ...]
    exact: int | None
    printed_millions: int | None

    @property
    def total(self) -> int:
        """Parameters of the whole model."""
        return sum(row.parameters for row in self.rows)

    @property
    def agrees(self) -> bool:
        """Whether the total is the reference's, and rounds to the paper's, where they are known."""
        millions = self.printed_millions
        return self.exact in (None, self.total) and millions in (None, round(self.total / 1e6))


def tables(template: Template) -> tuple[Table, Table]:
    """The generator's and the autoencoder's table of a template; allocates no weights."""
    return (
        _table(template, GENERATOR, GeneratorConfig.from_reference(generator_kwargs(template))),
        _table(template, MAE, EncoderConfig.from_reference(encoder_kwargs(template))),
    )


def module_rows(config: Config) -> tuple[Row, ...]:
    """Parameters of the model of `config` by module, in the order of the model."""
    tensors: dict[str, list[int]] = {}
    indices: dict[str, set[str]] = {}
    for name, parameter in architectures.build(config).named_parameters():
        module = _module(name)
        tensors.setdefault(module, []).append(parameter.numel())
        indices.setdefault(module, set()).update(_INDEX.findall(name))
    return tuple(
        Row(module, len(sizes), sum(sizes), len(indices[module]) or 1)
        for module, sizes in tensors.items()
    )


def _module(name: str) -> str:
    """The module of a name, indices left out: blocks.3.mlp.gate.weight -> blocks.mlp."""
    parts = _INDEX.sub("", name).split(".")
    levels = 3 if "stages" in parts else 2
    return ".".join(parts[:levels] if len(parts) > levels else parts[:-1] or parts)


def _table(template: Template, model: str, config: Config) -> Table:
    column = template.column if template.fidelity == "faithful" else None
    return Table(
        template.name,
        model,
        module_rows(config),
        EXACT[model].get(column or ""),
        PRINTED[model].get(column or ""),
    )
