"""Artefacts: claims against tensors, metadata that is absent, stamping, and the score."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from drift.artifacts import claims, quality, schema
from drift.artifacts.header import data_chunks, read_header
from verify.api import CheckContext, Measurement, check

from ..common.places import folder
from . import cases
from .cases import MODELS, outcome

NEEDS = ("save_artifact", "load_artifact")


@check("artifact.contradiction_mended", needs=(*NEEDS, "stamp_artifact"))
def contradiction_mended(ctx: CheckContext) -> Measurement:
    """Every false claim stops the load with both values; the command it prints mends it."""
    tried = 0
    for kind, field, shown, claimed in ctx.params["claims"]:
        with folder() as place:
            path = cases.saved(place, MODELS[kind](ctx.params["width"]), "a model.safetensors")
            problem = _contradict(ctx, path, field, str(shown), str(claimed))
            if problem:
                return ctx.decide(False, f"{kind}, {field} {claimed} for {shown}: {problem}")
        tried += 1
    return ctx.decide(True, f"{tried} false claims, each stopped and mended by its command")


def _contradict(ctx: CheckContext, path: Path, field: str, shown: str, claimed: str) -> str | None:
    """Claim a false value in the field and in the embedded config; None where all is well."""
    metadata: dict[str, str | None] = {field: claimed}
    config = json.loads((read_header(path).metadata or {})["config"])
    key = claims.CONFIG_KEYS[(read_header(path).metadata or {})["architecture"]].get(field)
    if key is not None:
        metadata["config"] = json.dumps(config | {key: json.loads(claimed)})
    cases.rewritten(path, metadata=metadata)
    went, message = outcome(ctx.subject.load_artifact, path)
    spoken = message.replace(" ", "")  # a list is printed with spaces
    if went != "refused" or claimed not in spoken or shown not in spoken:
        return f"{went}, {message[:200]}"
    commands = [line for line in message.splitlines() if line.strip().startswith("drift stamp")]
    if not commands:
        return f"no command in: {message[:200]}"
    words = shlex.split(commands[0])
    options = dict(zip(words[3::2], words[4::2], strict=True))
    stamped = {name.removeprefix("--").replace("-", "_"): v for name, v in options.items()}
    went, message = outcome(ctx.subject.stamp_artifact, words[2], stamped)
    if went == "accepted":
        went, message = outcome(ctx.subject.load_artifact, path, require_metadata=True)
    return None if went == "accepted" else f"after `{commands[0].strip()}`: {message[:200]}"


@check("artifact.width_in_the_name", needs=NEEDS)
def width_in_the_name(ctx: CheckContext) -> Measurement:
    """A file named for another width than its tensors have is refused, larger and smaller."""
    shown = int(ctx.params["width"])
    with folder() as place:
        path = cases.saved(place, cases.autoencoder(shown))
        for name, claimed in ctx.params["names"].items():
            path = path.rename(place / f"{name}.safetensors")
            went, message = outcome(ctx.subject.load_artifact, path)
            wanted = "accepted" if claimed in (None, shown) else "refused"
            told = wanted == "accepted" or (str(claimed) in message and str(shown) in message)
            if went != wanted or not told:
                return ctx.decide(False, f"{name} with width {shown}: {went} {message[:200]}")
    return ctx.decide(True, f"{len(ctx.params['names'])} names told apart")


@check("artifact.absent_metadata", needs=NEEDS)
def absent_metadata(ctx: CheckContext) -> Measurement:
    """What the metadata lack is noted and recovered; only a faithful run stops."""
    losses: list[dict[str, str | None]] = [
        dict.fromkeys((*schema.FIELDS, *schema.ATTESTED)),
        {"schema": "other/1"},
        {"config": None},
        {"config": "{"},
        {"width": "wide"},
        {"probe": None},
        {"tensors_sha256": None},
    ]
    with folder() as place:
        path = cases.saved(place, cases.generator())
        whole = path.read_bytes()
        for loss in losses:
            cases.rewritten(path, metadata=loss)
            plain, message = outcome(_require_recovered, ctx, path)
            faithful, _ = outcome(ctx.subject.load_artifact, path, require_metadata=True)
            path.write_bytes(whole)
            if (plain, faithful) != ("accepted", "refused"):
                lost = ", ".join(list(loss)[:3])
                found = f"plain {plain}, faithful {faithful}"
                return ctx.decide(False, f"without {lost}: {found} {message[:200]}")
    return ctx.decide(True, f"{len(losses)} losses noted; only faithful runs stop")


def _require_recovered(ctx: CheckContext, path: Path) -> None:
    loaded = ctx.subject.load_artifact(path)
    if not loaded.notes or loaded.model.config != cases.generator().config:
        raise ValueError("loaded without a note, or with another configuration")


# stamping and the score


@check("artifact.stamp", needs=(*NEEDS, "stamp_artifact"))
def stamp(ctx: CheckContext) -> Measurement:
    """Each field alone: the tensors' bytes and the other fields stay; nothing or nonsense is
    refused."""
    with folder() as place:
        path = cases.saved(place, cases.generator())
        so_far: set[str] = set()
        for field, value in ctx.params["values"].items():
            before = read_header(path)
            data = b"".join(data_chunks(before))
            went, message = outcome(ctx.subject.stamp_artifact, path, {field: value})
            after = read_header(path)
            if went != "accepted" or b"".join(data_chunks(after)) != data:
                return ctx.decide(False, f"{field}: {went}, other tensor bytes {message[:200]}")
            odd = _changed(before.metadata or {}, after.metadata or {}) - {field, "stamped"}
            if odd or (after.metadata or {})[field] != value:
                return ctx.decide(False, f"{field}: also changed {sorted(odd)}, or not set")
            so_far.add(field)
            said = json.loads((after.metadata or {}).get("stamped", "null"))
            if said != sorted(so_far):
                return ctx.decide(False, f"{sorted(so_far)} were stamped, the file says {said}")
        for nonsense in ({}, {"nonsense": "1"}, {"probe": "{}"}, {"width": "wide"}):
            whole = path.read_bytes()
            went, _ = outcome(ctx.subject.stamp_artifact, path, nonsense)
            if went != "refused" or path.read_bytes() != whole:
                return ctx.decide(False, f"the patch {nonsense}: {went}")
    return ctx.decide(True, f"{len(ctx.params['values'])} fields, each on its own")


def _changed(a: Any, b: Any) -> set[str]:
    return {name for name in {*a, *b} if a.get(name) != b.get(name)}


@check("artifact.score", needs=(*NEEDS, "stamp_artifact", "assess_artifact"))
def score(ctx: CheckContext) -> Measurement:
    """Weights sum to 100; each stamp raises its own component, no other; all of them give 100."""
    if sum(quality.WEIGHTS.values()) != 100:
        return ctx.decide(False, f"the weights sum to {sum(quality.WEIGHTS.values())}")
    with folder() as place:
        path = cases.saved(place, cases.generator())
        save_file(load_file(path), path, metadata=_attested(path))
        for field, value in ctx.params["values"].items():
            before = _points(ctx, path)
            ctx.subject.stamp_artifact(path, {field: value})
            after = _points(ctx, path)
            moved = {name for name in before if before[name] != after[name]}
            if moved != {ctx.params["components"][field]} or sum(after.values()) <= sum(
                before.values()
            ):
                return ctx.decide(False, f"stamping {field} moved {sorted(moved)}")
        total = ctx.subject.assess_artifact(read_header(path)).score
    return ctx.decide(total == 100, f"all fields stamped: {total} of 100", measured=float(total))


def _attested(path: Path) -> dict[str, str]:
    """What the writer proves; everything that a person states is taken away."""
    metadata = read_header(path).metadata or {}
    kept = ("schema", "tensors_sha256", "probe", "config")
    return {name: metadata[name] for name in kept}


def _points(ctx: CheckContext, path: Path) -> dict[str, float]:
    parts = ctx.subject.assess_artifact(read_header(path)).components
    return {part.name: part.earned for part in parts}
