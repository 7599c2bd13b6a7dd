"""Recorded cases (`specs/golden/`) and the stage-by-stage comparison with them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .arrays import as_array, largest

__all__ = [
    "Case",
    "Comparison",
    "StageError",
    "compare",
    "load_case",
    "recorded_tolerance",
    "stage_rule",
]

Tolerance = Mapping[str, float] | Callable[[str], float]


@dataclass(frozen=True)
class Case:
    """One recorded case: `NAME.json` and the arrays of `NAME.safetensors` as they are stored."""

    name: str
    meta: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    @property
    def stages(self) -> list[str]:
        """The recorded intermediates and results, in the order of computation."""
        return list(self.meta["stages"])

    def group(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The arrays under `prefix/`, without it."""
        lead = prefix.rstrip("/") + "/"
        return {k.removeprefix(lead): v for k, v in self.arrays.items() if k.startswith(lead)}


@dataclass(frozen=True)
class StageError:
    """max |got - recorded| of one stage, and what is allowed."""

    error: float
    tolerance: float

    @property
    def ratio(self) -> float:
        """Error as a fraction of the tolerance."""
        if self.error == 0.0:
            return 0.0
        return self.error / self.tolerance if self.tolerance > 0.0 else math.inf


@dataclass(frozen=True)
class Comparison:
    """Errors by stage, in order; a missing or misshapen stage has the error infinity."""

    per_stage: Mapping[str, StageError]
    remarks: Mapping[str, str]

    @property
    def first_difference(self) -> str | None:
        """The first stage beyond its tolerance."""
        return next((s for s, e in self.per_stage.items() if not e.ratio <= 1.0), None)

    @property
    def worst_stage(self) -> str | None:
        """The stage with the largest error as a fraction of its tolerance."""
        return max(self.per_stage, key=lambda s: _order(self.per_stage[s].ratio), default=None)

    @property
    def worst_ratio(self) -> float:
        """The largest error as a fraction of its tolerance; infinity where nothing was compared."""
        worst = self.worst_stage
        return math.inf if worst is None else self.per_stage[worst].ratio

    def sentence(self) -> str:
        """What to say in a reason."""
        if self.worst_stage is None:
            return "nothing was compared"
        stage = self.first_difference
        if stage is None:
            return (
                f"{len(self.per_stage)} stages agree; the worst, {self.worst_stage}, "
                f"is at {self.worst_ratio:.3g} of its tolerance"
            )
        found = self.per_stage[stage]
        remark = self.remarks.get(stage) or (
            f"off by {found.error:.3g}, allowed {found.tolerance:.3g}"
        )
        return f"first differing stage {stage}: {remark}"


def load_case(path: Path) -> Case:
    """`golden/NAME.safetensors` (or `.json`) as given by `CheckContext.spec_file`.

    Where the case names a `params_file`, that file's `params/*` are merged in, under the case's
    own `params_override/*`.
    """
    from safetensors.numpy import load_file

    tensors = path.with_name(f"{path.stem}.safetensors")
    meta = json.loads(path.with_name(f"{path.stem}.json").read_text(encoding="utf-8"))
    arrays = dict(load_file(tensors))
    if meta.get("params_file"):
        shared = load_file(path.with_name(meta["params_file"]))
        params = {k: v for k, v in shared.items() if k.startswith("params/")}
        for key in [k for k in arrays if k.startswith("params_override/")]:
            params[key.replace("params_override/", "params/", 1)] = arrays[key]
        arrays = {**params, **arrays}
    return Case(name=path.stem, meta=meta, arrays=arrays)


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


def compare(
    case: Case,
    got: Mapping[str, Any],
    tolerance: Tolerance,
    stages: Iterable[str] | None = None,
) -> Comparison:
    """Hold `got` against the case's arrays, stage by stage in the case's order.

    got        stage name -> tensor or array, under the names of `stages`
    tolerance  by stage, absolute; a mapping, or a function such as `stage_rule(case)`
    stages     which to compare; all by default; each has to be in the recorded file
    """
    per_stage: dict[str, StageError] = {}
    remarks: dict[str, str] = {}
    allowed = tolerance if callable(tolerance) else tolerance.__getitem__
    for stage in case.stages if stages is None else stages:
        expected = as_array(case.arrays[stage])
        error = math.inf
        if stage not in got:
            remarks[stage] = "not recorded by the subject"
        elif (found := as_array(got[stage])).shape != expected.shape:
            remarks[stage] = f"shape {list(found.shape)}, expected {list(expected.shape)}"
        else:
            error = largest(found - expected)
        per_stage[stage] = StageError(error, allowed(stage))
    return Comparison(per_stage, remarks)


def _order(ratio: float) -> float:
    return math.inf if math.isnan(ratio) else ratio
