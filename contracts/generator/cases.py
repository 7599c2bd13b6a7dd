"""Recorded generators: the subject's model with a case's parameters, and the case's inputs.

Only interface v1 of the subject is used, so that somebody else's generator can be audited too:
parameters go in through `generator_state_dict`, and so do recorded gradients, which puts them into
the subject's own layout.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from verify.api import CheckContext, Measurement

from ..common import golden

NEEDS = ("Generator", "GeneratorConfig", "generator_state_dict")

Check = Callable[[CheckContext], Measurement]


class DoesNotFitError(Exception):
    """The recorded parameters do not go into the subject."""


@dataclass(frozen=True)
class Built:
    """A generator of the subject with the parameters of a case; `flat` holds those as recorded."""

    model: Any
    config: Any
    flat: Mapping[str, Tensor]


def fitting(function: Check) -> Check:
    """Parameters that do not fit are the subject's failure, not an error of the check."""

    @functools.wraps(function)
    def guarded(ctx: CheckContext) -> Measurement:
        try:
            return function(ctx)
        except DoesNotFitError as error:
            return ctx.decide(False, str(error))

    return guarded


def configured(ctx: CheckContext, model_config: Mapping[str, Any]) -> Any:
    return ctx.subject.GeneratorConfig.from_reference(dict(model_config))


def build(
    ctx: CheckContext,
    case: golden.Case,
    *,
    flat: Mapping[str, Tensor] | None = None,
    **changed: object,
) -> Built:
    """The case's generator; `flat` replaces its parameters, `changed` keys of its model_config."""
    config = configured(ctx, {**case.meta["model_config"], **changed})
    given = golden.tensors(case, "params") if flat is None else flat
    model = ctx.subject.Generator(config)
    try:
        model.load_state_dict(ctx.subject.generator_state_dict(given, config))
    except (ValueError, RuntimeError) as error:
        first = str(error).replace("\n", " ")[:300]
        raise DoesNotFitError(f"{case.name}: the recorded parameters do not fit: {first}") from None
    return Built(model, config, given)


def inputs(case: golden.Case) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """noise [B, C, H, W], labels [B], alpha [B], style [B, style_tokens] of a case."""
    arrays = case.arrays
    return (
        golden.nchw(arrays["in/x"]),
        torch.tensor(arrays["in/labels"]).long(),
        torch.tensor(arrays["in/cfg_scale"]),
        torch.tensor(arrays["in/noise_labels"]).long(),
    )


def reference_names(ctx: CheckContext, built: Built) -> dict[str, str]:
    """The subject's parameter name -> reference path, found by sending a number along each path."""
    paths = list(built.flat)
    marked = {path: torch.full_like(built.flat[path], i) for i, path in enumerate(paths)}
    state = ctx.subject.generator_state_dict(marked, built.config)
    return {ours: paths[int(value.flatten()[0])] for ours, value in state.items()}
