"""Stages of the loss: each is given what was recorded before it, and is judged alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import Array, as_array, largest

from ..common import golden
from .calls import Domain, OutsideError, array, inside, stage

# Name of the protocol -> recorded stage; `{}` is a temperature's folder.
RECORDED = {
    "distance": "dist",
    "scale": "scale",
    "coordinate_scale": "scale_inputs",
    "masked_distance": "dist_normed_masked",
    "affinity": "R{}/affinity_clipped",
    "coefficients": "R{}/R_coeff",
    "force": "R{}/force_raw",
    "total_force": "force_across_R",
    "loss": "loss",
    "gradient": "grad_gen",
}


@dataclass(frozen=True)
class Forced:
    """What a stage is given, what it should give, and how far off it may be."""

    case: str
    given: Mapping[str, Any]
    expected: Array
    allowed: float
    at: str


def _one_stage(ctx: CheckContext, name: str) -> Measurement:
    """One stage over all recorded cases inside the subject's domain."""
    worst, words, details, outside = 0.0, "", dict[str, float](), ""
    for forced in _forced(ctx, name):
        try:
            ratio, said = _judged(ctx, f"stage_{name}", forced)
        except OutsideError as error:
            outside = str(error)
            continue
        details[f"{forced.case}{forced.at}"] = ratio
        if not ratio <= worst:
            worst, words = ratio, said
    if not details:
        raise OutsideError(outside)
    departing = [place for place, ratio in details.items() if not ratio <= 1.0]
    reason = f"{len(details)} recordings agree"
    if departing:
        reason = f"{len(departing)} of {len(details)} recordings depart; {words}"
    return ctx.judge(worst, reason, unit="of the recorded tolerance", details=details)


@check("audit.stage_distance", needs=("stage_distance",))
@inside
def stage_distance(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "distance")


@check("audit.stage_scale", needs=("stage_scale",))
@inside
def stage_scale(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "scale")


@check("audit.stage_coordinate_scale", needs=("stage_coordinate_scale",))
@inside
def stage_coordinate_scale(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "coordinate_scale")


@check("audit.stage_masked_distance", needs=("stage_masked_distance",))
@inside
def stage_masked_distance(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "masked_distance")


@check("audit.stage_affinity", needs=("stage_affinity",))
@inside
def stage_affinity(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "affinity")


@check("audit.stage_coefficients", needs=("stage_coefficients",))
@inside
def stage_coefficients(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "coefficients")


@check("audit.stage_force", needs=("stage_force",))
@inside
def stage_force(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "force")


@check("audit.stage_normalised_force", needs=("stage_normalised_force",))
@inside
def stage_normalised_force(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "normalised_force")


@check("audit.stage_loss", needs=("stage_loss",))
@inside
def stage_loss(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "loss")


@check("audit.stage_gradient", needs=("stage_gradient",))
@inside
def stage_gradient(ctx: CheckContext) -> Measurement:
    return _one_stage(ctx, "gradient")


def _judged(ctx: CheckContext, capability: str, forced: Forced) -> tuple[float, str]:
    plain = {name: forced.given[name] for name in ("gen", "pos", "neg") if name in forced.given}
    weights = {k: v for k, v in forced.given.items() if k.startswith("weight_")}
    Domain(ctx.subject).require(plain | weights, [])
    answered = stage(ctx.subject, capability, forced.given)
    shape = forced.expected.shape
    if not shape and np.size(answered) == len(forced.given["gen"]):
        shape = np.shape(answered)  # one for each group, where one for the call is expected
    found = array(answered, shape, f"its {capability}")
    forced = replace(forced, expected=np.broadcast_to(forced.expected, shape))
    off = np.abs(found - forced.expected)
    place = np.unravel_index(np.argmax(off), off.shape) if off.size else ()
    words = (
        f"the worst, {forced.case}{forced.at}[{', '.join(map(str, place))}], is "
        f"{found[place]:.6g}, recorded {forced.expected[place]:.6g}"
    )
    return largest(off) / forced.allowed, words


def _forced(ctx: CheckContext, name: str) -> Iterator[Forced]:
    for case_name in ctx.params["cases"]:
        case = golden.recorded(ctx, case_name)
        values = inputs_of(case)
        taus = case.meta["R_list"] if name in PER_TEMPERATURE else [None]
        for tau in taus:
            at = values if tau is None else values | _at(case, tau)
            expected, allowed = _expected(case, name, tau)
            if expected is not None:
                place = "" if tau is None else f" at tau {tau}"
                yield Forced(case_name, _upstream(at, name), expected, allowed, place)


@check("audit.weight_power", needs=("stage_weighted_affinity",))
@inside
def weight_power(ctx: CheckContext) -> Measurement:
    """The power with which the weight of the unconditional samples multiplies their affinity.

    Against the positives of the same row, so that what the row is divided by falls out; of pairs
    that no floor decides.
    """
    case = golden.recorded(ctx, ctx.params["case"])
    powers = []
    for tau in case.meta["R_list"]:
        values, found, plain = _weighted(ctx, case, tau)
        others = slice(values["generated"], values["repelling"])
        clear = (plain > 5e-3) & (found > 5e-3)
        gain = np.where(clear, found / plain, np.nan)
        for group, weight in zip(gain, values["weight"][:, values["generated"]], strict=True):
            for row in group:
                left, right = row[others], row[values["repelling"] :]
                if np.isfinite(left).any() and np.isfinite(right).any():
                    ratio = np.nanmedian(left) / np.nanmedian(right)
                    powers.append(float(np.log(ratio) / np.log(weight)))
    if not powers:
        return ctx.missing("no pair is clear of the floor")
    power = float(np.median(powers))
    reason = f"the weight enters with the power {power:.4g}, expected 1 ({case.name})"
    return ctx.judge(abs(power - 1.0), reason, unit="of the power", details={"rows": len(powers)})


@check("audit.zero_weight", needs=("stage_weighted_affinity",))
@inside
def zero_weight(ctx: CheckContext) -> Measurement:
    """A weight of zero takes the force of its sample, which stays in both softmaxes."""
    case = golden.recorded(ctx, ctx.params["case"])
    tau = max(case.meta["R_list"])  # the affinities are largest there, and best conditioned
    values, found, plain = _weighted(ctx, case, tau)
    expected = plain * values["weight"][:, None, :]
    off = np.abs(found - expected)
    place = np.unravel_index(np.argmax(off), off.shape)
    kept = "a sample of weight zero" if expected[place] == 0 else "another sample"
    reason = (
        f"{case.name} at tau {tau}: the worst affinity, of {kept}, is {found[place]:.5g}, "
        f"expected {expected[place]:.5g}"
    )
    return ctx.judge(float(off.max()), reason)


def _weighted(
    ctx: CheckContext, case: golden.Case, tau: float
) -> tuple[dict[str, Any], Array, Array]:
    """(what was given, the subject's weighted affinity, the recorded one without weights)."""
    values = inputs_of(case) | _at(case, tau)
    weights = {name: value for name, value in values.items() if name.startswith("weight_")}
    Domain(ctx.subject).require({"gen": values["gen"], "pos": values["pos"],
                                 "neg": values["neg"], **weights}, [])  # fmt: skip
    plain = as_array(values["affinity"])
    given = _upstream(values, "affinity")
    found = stage(ctx.subject, "stage_weighted_affinity", given)
    return values, array(found, plain.shape, "its weighted affinity"), plain


PER_TEMPERATURE = ("affinity", "coefficients", "force", "normalised_force")
_ORDER = ("distance", "scale", "coordinate_scale", "masked_distance", "affinity", "coefficients",
          "force", "normalised_force", "total_force", "loss", "gradient")  # fmt: skip


def _upstream(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Without the stage itself and those after it."""
    hidden = set(_ORDER[_ORDER.index(name) :])
    return {key: value for key, value in values.items() if key not in hidden}


def inputs_of(case: golden.Case) -> dict[str, Any]:
    """Everything that was recorded of a case but for what belongs to one temperature."""
    given = dict(case.group("in"))
    given.pop("cfg", None)
    gen, pos = given["gen"], given["pos"]
    neg = given.setdefault("neg", gen[:, :0])
    for name, cloud in (("gen", gen), ("pos", pos), ("neg", neg)):
        given.setdefault(f"weight_{name}", np.ones(cloud.shape[:2], np.float32))
    targets = np.concatenate([gen, neg, pos], axis=1)
    weight = np.concatenate([given[f"weight_{name}"] for name in ("gen", "neg", "pos")], axis=1)
    recorded = case.group("step32")
    c = recorded["scale_inputs"]
    values = {
        **given,
        "targets": targets,
        "weight": weight,
        "gen_n": gen / c,
        "targets_n": targets / c,
        "generated": gen.shape[1],
        "repelling": gen.shape[1] + neg.shape[1],
        "features": gen.shape[2],
        "total_force": recorded["force_across_R"],
    }
    for name in ("distance", "scale", "coordinate_scale", "masked_distance"):
        if RECORDED[name] in recorded:
            values[name] = recorded[RECORDED[name]]
    values.setdefault("masked_distance", _masked(values))
    return values


def _masked(values: Mapping[str, Any]) -> Any:
    """Where it was not recorded: distances over the scale, 100 added to the own ones."""
    masked = values["distance"] / np.maximum(values["scale"], np.float32(1e-3))
    own = range(values["generated"])
    masked[:, own, own] += np.float32(100.0)
    return masked


def _at(case: golden.Case, tau: float) -> dict[str, Any]:
    values: dict[str, Any] = {"temperature": float(tau)}
    for name in ("affinity", "coefficients", "force"):
        values[name] = case.arrays[f"step32/{RECORDED[name].format(tau)}"]
    return values


def _expected(case: golden.Case, name: str, tau: float | None) -> tuple[Array | None, float]:
    rule = golden.stage_rule(case)
    if name == "normalised_force":
        raw, scale = (case.arrays[f"step32/R{tau}/{one}"] for one in ("force_raw", "force_scale"))
        return as_array(raw) / float(scale), rule(f"step32/R{tau}/force_raw") / float(scale)
    stage_name = f"step32/{RECORDED[name].format(tau)}"
    if stage_name not in case.arrays:
        return None, 0.0
    return as_array(case.arrays[stage_name]), rule(stage_name)
