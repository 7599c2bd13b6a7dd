"""The register of known divergences against the two semantics of the drifting loss.

An unlisted difference fails, and so does a listed one that has vanished. The subject's capability
`semantics` is its table name -> frozen dataclass of switches, looked up by name at each call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import torch
import yaml
from torch import Tensor

import drift.pairs
import drift.semantics
from drift.trace import LEADS
from verify.api import CheckContext, Measurement, check, mutant

from ..common import golden
from ..loss.mutants import owner_of

REGISTER = "known_divergences.yaml"
NEEDS = ("drift_loss", "feature_loss", "recording", "semantics")
LOCATIONS = 4  # the recorded samples, cut into this many locations of one feature map
TOTAL = "feature_loss"  # what feature_loss returns, among the stages

# Zero by construction, so what is recorded is rounding noise and always differs a little.
NOISE = frozenset({"total_coeffs"})

Stages = dict[str, Tensor]


@check("divergences.register", needs=("semantics",))
def register(ctx: CheckContext) -> Measurement:
    """The switches in which the semantics differ, and both values of each, are those listed."""
    table = ctx.subject.semantics
    listed = {entry["switch"]: entry["values"] for entry in _entries(ctx)}
    found = {
        switch: {"reference": getattr(table["reference"], switch), "paper": value}
        for switch, value in _switches(table["paper"]).items()
        if getattr(table["reference"], switch) != value
    }
    problems = [f"{switch} differs and is not listed" for switch in found if switch not in listed]
    problems += [f"{switch} is listed and does not differ" for switch in listed.keys() - found]
    problems += [
        f"{switch}: found {found[switch]}, listed {listed[switch]}"
        for switch in listed.keys() & found
        if found[switch] != listed[switch]
    ]
    good = f"the semantics differ in the {len(listed)} listed switches"
    return ctx.decide(not problems, problems[0] if problems else good, details={"found": found})


@check("divergences.stages", needs=NEEDS)
def stages(ctx: CheckContext) -> Measurement:
    """Each switch alone, set on `reference`, changes exactly the listed stages."""
    reference = ctx.subject.semantics["reference"]
    base = _run(ctx, reference)
    changed: dict[str, list[str]] = {}
    problems: list[str] = []
    for entry in _entries(ctx):
        switched = dataclasses.replace(reference, **{entry["switch"]: entry["values"]["paper"]})
        found = changed_stages(base, _run(ctx, switched))
        changed[entry["switch"]] = found
        problems += _mismatch(entry, found)
    good = f"{len(changed)} switches change the listed stages and no others"
    return ctx.decide(not problems, problems[0] if problems else good, details={"changed": changed})


@check("divergences.complete", needs=NEEDS)
def complete(ctx: CheckContext) -> Measurement:
    """`reference` with every listed switch set is `paper`, bit for bit."""
    table = ctx.subject.semantics
    values = {entry["switch"]: entry["values"]["paper"] for entry in _entries(ctx)}
    built = _run(ctx, dataclasses.replace(table["reference"], **values))
    paper = _run(ctx, table["paper"])
    differing = [name for name in paper if not torch.equal(paper[name], built[name])]
    if differing:
        reason = f"{differing[0]} differs first although all listed switches are set"
        return ctx.decide(False, reason, details={"differing": differing})
    return ctx.decide(True, f"all {len(paper)} stages are those of paper")


def changed_stages(base: Stages, other: Stages) -> list[str]:
    """Short names of the stages that differ, in order; a stage counts if it does at any tau."""
    names = dict.fromkeys(_short(name) for name in base if not torch.equal(base[name], other[name]))
    return [name for name in names if name not in NOISE]


def _mismatch(entry: Mapping[str, Any], found: list[str]) -> list[str]:
    """Why the stages found are not those of the register; empty if they are."""
    switch, listed = entry["switch"], entry["stages"]
    if not found:
        return [f"{switch} changes no stage, listed first is {entry['first_stage']}"]
    if found[0] != entry["first_stage"]:
        return [f"{switch} first changes {found[0]}, listed is {entry['first_stage']}"]
    extra = [name for name in found if name not in listed]
    gone = [name for name in listed if name not in found]
    return [f"{switch} changes {name}, which is not listed" for name in extra] + [
        f"{switch} is listed to change {name} and does not" for name in gone
    ]


def _run(ctx: CheckContext, switches: Any) -> Stages:
    """Every stage of drift_loss on the recorded input, and what feature_loss returns."""
    case = golden.recorded(ctx, ctx.params["case"])
    inputs = golden.tensors(case, "in")
    gen, pos, neg = (inputs[name] for name in ("gen", "pos", "neg"))
    weights = {name: inputs[name] for name in ("weight_gen", "weight_pos", "weight_neg")}
    call = {"temperatures": case.meta["R_list"], "semantics": "probe"}
    with patch.dict(ctx.subject.semantics, {"probe": switches}):
        with ctx.subject.recording() as trace:
            ctx.subject.drift_loss(gen, pos, neg, **weights, **call)
        real = _map(torch.cat([pos, neg], dim=1))
        total, _ = ctx.subject.feature_loss(
            {"map": _map(gen)}, {"map": real}, inputs["cfg"], positives=pos.shape[1], **call
        )
    return {**trace, TOTAL: total.detach()}


def _map(samples: Tensor) -> Tensor:
    """[B, K, S] -> [B, K, L, S / L]."""
    return samples.reshape(*samples.shape[:2], LOCATIONS, -1)


def _short(name: str) -> str:
    """`step32/R0.02/affinity_row` -> `affinity_row`; the returned values count as their stages."""
    for lead in (*LEADS, "out/"):
        name = name.removeprefix(lead)
    return name.rpartition("/")[2]


def _entries(ctx: CheckContext) -> list[dict[str, Any]]:
    text = ctx.spec_file(REGISTER).read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = yaml.safe_load(text)["divergences"]
    return entries


def _switches(semantics: Any) -> dict[str, Any]:
    return {
        field.name: getattr(semantics, field.name)
        for field in dataclasses.fields(semantics)
        if field.name != "name"
    }


# -- mutants: one switch set wrongly, ignored, or joined by an unlisted difference -----------------


@mutant("divergences.same_switch")
def same_switch(subject: object, *, switch: str) -> AbstractContextManager[Any]:
    """`paper` takes the reference's value of one switch: a listed divergence has vanished."""
    value = getattr(drift.semantics.REFERENCE, switch)
    return _table(paper=dataclasses.replace(drift.semantics.PAPER, **{switch: value}))


@mutant("divergences.other_value")
def other_value(
    subject: object, *, semantics: str, switch: str, value: Any
) -> AbstractContextManager[Any]:
    """One switch of one semantics has a value that no authority states."""
    changed = dataclasses.replace(drift.semantics.SEMANTICS[semantics], **{switch: value})
    return _table(**{semantics: changed})


@mutant("divergences.new_switch")
def new_switch(subject: object) -> AbstractContextManager[Any]:
    """Somebody adds a switch and forgets the register."""
    wider = dataclasses.make_dataclass(
        "Semantics",
        [("feature_scale", str, dataclasses.field(default="call"))],
        bases=(drift.semantics.Semantics,),
        frozen=True,
    )
    paper, reference = (vars(drift.semantics.SEMANTICS[name]) for name in ("paper", "reference"))
    return _table(paper=wider(**paper, feature_scale="class"), reference=wider(**reference))


@mutant("divergences.ignored_switch")
def ignored_switch(subject: object, *, switch: str) -> AbstractContextManager[Any]:
    """The code at one switch always does what the reference does."""
    function, position = PLACES[switch]
    owner = owner_of(function)
    original = getattr(owner, function)
    kept = drift.semantics.REFERENCE
    fixed = kept.affinity_floor if switch == "affinity_floor" else kept

    def always_reference(*args: Any) -> Any:
        return original(*args[:position], fixed, *args[position + 1 :])

    return patch.object(owner, function, always_reference)


@mutant("divergences.coupled_switch")
def coupled_switch(subject: object) -> AbstractContextManager[Any]:
    """The switch of the floor also leaves self-distances out of the mean distance."""

    def floored(switches: Any) -> bool:
        return bool(switches.affinity_floor == 0.0)

    return _without_own_distances(floored)


@mutant("divergences.by_name")
def by_name(subject: object) -> AbstractContextManager[Any]:
    """Code asks for the name `paper` instead of a switch, to leave self-distances out."""
    return _without_own_distances(lambda switches: bool(switches.name == "paper"))


# switch -> function of the loss that obeys it, and the place of the argument that carries it
PLACES = {
    "self_mask": ("normalised_distances", 2),
    "uncond_weight": ("softmaxes", 2),
    "affinity_floor": ("affinities", 2),
    "temperature_aggregation": ("objective", 2),
    "location_reduction": ("reduce_locations", 2),
}


def _without_own_distances(applies: Callable[[Any], bool]) -> AbstractContextManager[Any]:
    original = drift.pairs.normalised_distances

    def normalised(dist: Tensor, scale: Tensor, switches: Any) -> Tensor:
        targets = dist.shape[-1]
        return original(
            dist, scale * targets / (targets - 1) if applies(switches) else scale, switches
        )

    return patch.object(drift.pairs, "normalised_distances", normalised)


def _table(**changed: Any) -> AbstractContextManager[Any]:
    return patch.dict(drift.semantics.SEMANTICS, changed)
