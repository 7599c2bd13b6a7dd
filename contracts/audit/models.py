"""Whole models by their outcome: parameters and inputs in, samples or activations out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from verify.api import CheckContext, Measurement, SubjectError, check
from verify.numeric.arrays import Array, as_array, largest

from ..common import golden
from .calls import Domain, OutsideError, array, call, inside

FLOAT32_OF_MAX = 2.0e-6  # the recorded rule of activations: never below this share of the largest
SHOWN = 4  # names in a reason


@check("audit.generator", needs=("generator",))
@inside
def generator(ctx: CheckContext) -> Measurement:
    """The samples of one recorded generator."""
    case = golden.recorded(ctx, ctx.params["case"])
    config = _config(ctx, case, "generator")
    arrays = case.arrays
    answered = call(
        ctx.subject, "generator", params=_copies(case.group("params")), config=config,
        noise=_nchw(arrays["in/x"]), labels=arrays["in/labels"].astype(np.int64),
        alpha=np.array(arrays["in/cfg_scale"]), style=arrays["in/noise_labels"].astype(np.int64),
    )  # fmt: skip
    expected = as_array(_nchw(arrays["step/samples"]))
    found = array(answered, expected.shape, "the samples")
    if config["use_bf16"]:
        limits = [golden.recorded_tolerance(case, name) for name in ("maxabs", "rms")]
        return _rounded(ctx, {"samples": found}, {"samples": expected}, *limits)
    ratio = largest(found - expected) / golden.recorded_tolerance(case, "samples_maxabs")
    return ctx.judge(ratio, _words(case.name, "samples", found, expected), unit=UNIT)


@check("audit.encoder", needs=("encoder",))
@inside
def encoder(ctx: CheckContext) -> Measurement:
    """All activations of one recorded encoder; those that are not there are MISSING."""
    case = golden.recorded(ctx, ctx.params["case"])
    config = _config(ctx, case, "encoder")
    answered = call(
        ctx.subject, "encoder", params=_copies(case.group("params")), config=config,
        x=_nchw(case.arrays["in/x"]), **case.meta["kwargs"],
    )  # fmt: skip
    if not isinstance(answered, Mapping):
        kind = type(answered).__name__
        raise SubjectError("nonsense", f"encoder gave a {kind}; expected activation name -> array")
    names = [stage.removeprefix("act/") for stage in case.stages if stage.startswith("act/")]
    expected = {name: as_array(case.arrays[f"act/{name}"]) for name in names}
    found = {name: array(answered[name], expected[name].shape, name) for name in names
             if name in answered}  # fmt: skip
    return _activations(ctx, case, found, expected)


def _activations(
    ctx: CheckContext, case: golden.Case, found: Mapping[str, Array], expected: Mapping[str, Array]
) -> Measurement:
    missing = [name for name in expected if name not in found]
    if not found:
        return ctx.missing(f"MISSING: all {len(missing)} activations, such as {_few(missing)}")
    if case.meta["model_config"]["use_bf16"]:
        limits = [golden.recorded_tolerance(case, name) for name in ("rel_of_max", "rel_rms")]
        judged = _rounded(ctx, found, expected, *limits, relative=True)
    else:
        allowed = {name: _allowed(case, name, expected[name]) for name in found}
        ratios = {name: largest(found[name] - expected[name]) / allowed[name] for name in found}
        worst = max(ratios, key=lambda name: ratios[name])
        words = _words(case.name, worst, found[worst], expected[worst])
        off = [name for name in found if not ratios[name] <= 1.0]
        words = f"{len(off)} of {len(found)} activations depart; {words}" if off else words
        judged = ctx.judge(ratios[worst], words, unit=UNIT, details={"departing": off})
    if missing and judged.outcome == "pass":
        return ctx.missing(f"MISSING: {_few(missing)}; {len(found)} activations agree")
    return judged


UNIT = "of the recorded tolerance"


def _few(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _allowed(case: golden.Case, name: str, expected: Array) -> float:
    measured = float(case.meta["self_check"]["official_vs_f64_per_key"][name])
    return max(10.0 * measured, FLOAT32_OF_MAX * largest(expected))


def _rounded(
    ctx: CheckContext,
    found: Mapping[str, Array],
    expected: Mapping[str, Array],
    largest_allowed: float,
    rms_allowed: float,
    *,
    relative: bool = False,
) -> Measurement:
    """Under bfloat16: the largest and the root mean square error, each against its tolerance."""
    ratios = {}
    for name, value in found.items():
        off = value - expected[name]
        of, rms = (largest(expected[name]), _rms(expected[name])) if relative else (1.0, 1.0)
        ratios[name] = max(largest(off) / (largest_allowed * of), _rms(off) / (rms_allowed * rms))
    worst = max(ratios, key=lambda name: ratios[name])
    words = _words("bfloat16", worst, found[worst], expected[worst])
    return ctx.judge(ratios[worst], words, unit=UNIT)


def _rms(value: Array) -> float:
    return float(np.sqrt((value**2).mean()))


def _words(case: str, name: str, found: Array, expected: Array) -> str:
    off = np.abs(found - expected)
    place = np.unravel_index(np.argmax(off), off.shape)
    at = ", ".join(map(str, place))
    return (
        f"{case}: the worst of {name}, at [{at}], is {found[place]:.6g}, recorded "
        f"{expected[place]:.6g}; the largest value is {largest(expected):.4g}"
    )


def _config(ctx: CheckContext, case: golden.Case, capability: str) -> dict[str, Any]:
    """The case's configuration; OutsideError where the subject says that it does not do it."""
    config = dict(case.meta["model_config"])
    domain = Domain(ctx.subject)
    if domain.dtype is None:
        raise OutsideError(f"the subject does {domain.stated['dtypes']} alone")
    stranger = hasattr(ctx.subject, "domain")
    if config["use_bf16"] and stranger and "bfloat16" not in domain.stated.get("dtypes", []):
        raise OutsideError("the subject does not say that it does bfloat16")
    stated = domain.stated.get(capability, {})
    if not isinstance(stated, Mapping) or not all(isinstance(v, list) for v in stated.values()):
        raise SubjectError("nonsense", f"DOMAIN says {capability}: {stated}; expected key -> list")
    for key, values in stated.items():
        if config.get(key) not in values:
            raise OutsideError(f"the subject's {capability} takes {key} {values} alone")
    return config


def _copies(flat: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.array(value) for name, value in flat.items()}


def _nchw(value: Any) -> Any:
    return np.array(np.moveaxis(value, -1, -3), order="C")
