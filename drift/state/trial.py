"""One sample through a run's models before its folder exists.

What a template cannot show - data of other shapes or classes, an encoder made for other samples,
maps that no longer fit at some odd size - would otherwise be found by the first step, beside files
that look like a run. Nothing here draws from a run's random streams or changes a parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drift.config import Template
from drift.data import Source
from drift.errors import DriftError


def require_source(template: Template, source: Source) -> None:
    """Raise DriftError for data of another shape, or of other classes, than the template's."""
    height, width, channels = template.generator.input_shape
    if source.shape != (channels, height, width):
        raise DriftError(
            "data",
            found=f"samples of shape {list(source.shape)}",
            expected=f"{[channels, height, width]}, as generator.input_shape says",
        )
    if source.classes != template.generator.num_classes:
        raise DriftError(
            "data",
            found=f"{source.classes} classes",
            expected=f"{template.generator.num_classes}, as generator.num_classes says",
        )


def require_passes(part: str, run: Callable[[], Any], template: Template) -> None:
    """Raise DriftError where the models of a run cannot take one sample."""
    try:
        with torch.no_grad():
            run()
    except (DriftError, RuntimeError, IndexError, ValueError) as error:
        raise DriftError(
            f"one sample through the {part} of {template.name}",
            found=" ".join(str(error).split())[:400],
            expected="shapes that fit one another",
            remedy="Change the sizes of the template, or the encoder; nothing was written.",
        ) from error


def first(source: Source, device: str) -> tuple[Tensor, Tensor]:
    """The first sample [1, C, H, W] and its label [1]."""
    place = torch.zeros(1, dtype=torch.int64)
    return source.get(place).to(device), source.labels[place].to(device)
