"""The cases recorded from the reference release (`specs/golden/`), and their own tolerances."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verify.api import CheckContext
from verify.numeric.arrays import largest
from verify.numeric.cases import Case, compare, read_case
from verify.numeric.stages import Comparison

__all__ = [
    "Case",
    "Comparison",
    "compare",
    "load_case",
    "nchw",
    "of_largest",
    "recorded",
    "recorded_tolerance",
    "stage_rule",
    "tensors",
    "words",
]


def words(ctx: CheckContext, name: str) -> Any:
    """`specs/golden/NAME.json` alone, where a case is a list of parameters or of statistics."""
    return json.loads(ctx.spec_file(f"golden/{name}.json").read_text(encoding="utf-8"))


def recorded(ctx: CheckContext, name: str) -> Case:
    """The case NAME of `specs/golden/`; see `load_case`."""
    return load_case(ctx.spec_file(f"golden/{name}.safetensors"))


def load_case(path: Path) -> Case:
    """`golden/NAME.safetensors` (or `.json`) as given by `CheckContext.spec_file`.

    Where the case names a `params_file`, that file's `params/*` are merged in, under the case's
    own `params_override/*`.
    """
    case = read_case(path)
    if not case.meta.get("params_file"):
        return case
    shared = read_case(path.with_name(case.meta["params_file"])).group("params")
    params = shared | case.group("params_override")
    merged = {f"params/{path}": value for path, value in params.items()}
    return Case(case.name, case.meta, {**merged, **case.arrays})


def tensors(case: Case, group: str) -> dict[str, Tensor]:
    """The arrays under `group/` as tensors of their own."""
    return {name: torch.tensor(value) for name, value in case.group(group).items()}


def nchw(array: Any) -> Tensor:
    """[..., H, W, C] as recorded -> [..., C, H, W]."""
    return torch.tensor(np.moveaxis(array, -1, -3))


def stage_rule(case: Case) -> Callable[[str], float]:
    """`max(1e-5 max|stage|, 10 x measured float32-float64 difference)`, as recorded with the case.

    `out/loss` and `out/grad_gen` have their own figures in `tolerance_allowed`.
    """
    check = case.meta["self_check"]
    allowed = case.meta["tolerance_allowed"]
    own = {"out/loss": allowed.get("loss_abs"), "out/grad_gen": allowed.get("grad_abs")}

    def tolerance(stage: str) -> float:
        if own.get(stage) is not None:
            return float(own[stage])
        name = stage.split("/", 1)[1]
        return float(
            max(
                1.0e-5 * check["stage_maxabs_value"][name],
                10.0 * check["stage_f32_vs_f64_maxabs"][name],
            )
        )

    return tolerance


def recorded_tolerance(case: Case, key: str) -> float:
    """A number of `tolerance_allowed`; KeyError names what there is."""
    allowed = case.meta["tolerance_allowed"]
    if key not in allowed:
        raise KeyError(f"{case.name}: no tolerance {key!r}; recorded: {', '.join(allowed)}")
    return float(allowed[key])


def of_largest(case: Case, fraction: float) -> Callable[[str], float]:
    """A tolerance that is this fraction of the largest recorded value of each stage."""
    return lambda stage: fraction * largest(case.arrays[stage])
