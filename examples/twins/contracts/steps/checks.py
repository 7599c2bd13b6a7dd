"""Both rovers under the same actions; the first difference is named and leaves a bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from rover import suites
from rover.compare import Mismatch, bundle, first_mismatch, moments
from rover.native import NoCompilerError
from rover.reference import ACTIONS, Rover

from verify.api import CheckContext, Measurement, Reason, check

REGISTER = "known_divergences.json"
Make = Callable[[int, int], Any]


@check("steps.suite", needs=("twin",))
def suite(ctx: CheckContext) -> Measurement:
    """The share of seeds under which a suite's moments differ."""
    return _held(ctx, ctx.params["suite"], Rover, ctx.subject.twin)


@check("steps.refusals", needs=("twin",))
def refusals(ctx: CheckContext) -> Measurement:
    """Actions that are none, and actions after the end, are refused and change nothing."""
    try:
        for seed in range(ctx.params["seeds"]):
            for one in (Rover(seed, 3), ctx.subject.twin(seed, 3)):
                wrong = _refusals(one)
                if wrong:
                    return ctx.decide(False, f"{type(one).__name__}, seed {seed}: {wrong}")
    except NoCompilerError as error:
        return ctx.missing(str(error), cause=Reason.DEPENDENCY_MISSING)
    return ctx.decide(True, "both refuse them and stay as they were")


@check("steps.known_divergence", needs=("old_twin", "shimmed"))
def known_divergence(ctx: CheckContext) -> Measurement:
    """Version 1.0 parts from the specification as the register says, and nowhere under the shim."""
    entry = json.loads(ctx.spec_file(REGISTER).read_text(encoding="utf-8"))["divergences"][0]
    try:
        parted = list(_mismatches(ctx, Rover, ctx.subject.old_twin))
        for found in parted:
            if (found.field, found.step) != (entry["field"], entry["step"]) or not found.episode:
                return ctx.decide(False, f"unlisted divergence: {found.sentence}")
        if not parted:
            return ctx.decide(False, f"{entry['id']} is listed and has vanished")
        for found in _mismatches(ctx, ctx.subject.shimmed, ctx.subject.old_twin):
            return ctx.decide(False, f"under the shim: {found.sentence}")
    except NoCompilerError as error:
        return ctx.missing(str(error), cause=Reason.DEPENDENCY_MISSING)
    share = f"{len(parted)} of {len(suites.SUITES) * ctx.params['seeds']} runs"
    return ctx.decide(True, f"{entry['id']} shows in {share}, first at {parted[0].sentence}")


def _held(ctx: CheckContext, name: str, reference: Make, twin: Make) -> Measurement:
    fuel, differing, files, said = suites.FUELS[name], 0, {}, ""
    seeds = ctx.params["seeds"]
    try:
        for seed in range(seeds):
            actions = suites.actions(name, seed)
            found = first_mismatch(reference(seed, fuel), twin(seed, fuel), actions)
            if found is None:
                continue
            differing += 1
            if not said:
                about = {"suite": name, "seed": seed, "fuel": fuel, "subject": ctx.subject.name}
                said = f"seed {seed}, {found.sentence}"
                files = bundle(reference(seed, fuel), twin(seed, fuel), actions, found, about)
    except NoCompilerError as error:
        return ctx.missing(str(error), cause=Reason.DEPENDENCY_MISSING)
    reason = said or f"{seeds} seeds, {len(actions) + 1} moments each, nothing differs"
    return ctx.judge(differing / seeds, reason, unit="of the seeds", files=files)


def _mismatches(ctx: CheckContext, reference: Make, twin: Make) -> Iterator[Mismatch]:
    for name, fuel in suites.FUELS.items():
        for seed in range(ctx.params["seeds"]):
            actions = suites.actions(name, seed)
            found = first_mismatch(reference(seed, fuel), twin(seed, fuel), actions)
            if found is not None:
                yield found


def _refusals(rover: Any) -> str:
    for action in (-1, ACTIONS, 99):
        before = rover.fields()
        try:
            rover.step(action)
        except ValueError:
            if rover.fields() != before:
                return f"action {action} was refused and changed something"
        else:
            return f"action {action} was taken"
    *_, last = moments(rover, [0] * 3)
    if not last["done"]:
        return "no end without fuel"
    try:
        rover.step(0)
    except ValueError:
        return "" if rover.fields() == last else "a step after the end changed something"
    return "a step after the end was taken"
