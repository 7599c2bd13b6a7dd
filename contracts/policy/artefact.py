"""Checks of one artefact before it is published; `params.artefact` is its path.

Every check loads the file as a user of it would. What the engine refuses is a failure with the
engine's own words; anything else that goes wrong is an error, not a verdict.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import drift
from drift.artifacts import convert, header, quality, store
from drift.errors import DriftError
from drift.generator import Generator
from drift.sample.sampler import Sampler, cycled
from verify.api import CheckContext, Measurement, check

SAMPLES = 4
SEED = 0
ALPHA = 1.0
SIDE = 16  # positions along a side of the autoencoder's patchified input
CHILD_S = 300.0
HOME = str(Path(drift.__file__).parents[1])

# Run in a process of its own, so that nothing else has imported what sampling must not need.
_CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from drift.artifacts import store
from drift.generator import Generator
loaded = store.load_artifact(sys.argv[2])
model, count, said = loaded.model, int(sys.argv[3]), {}
import torch
if isinstance(model, Generator):
    from drift.sample.sampler import Sampler, cycled
    sampler = Sampler(model)
    labels = cycled(range(min(count, model.config.num_classes)), count)
    output = sampler.all(labels, alpha=1.0, seed=0)
    config = model.config
    wanted = [count, config.out_channels, config.input_size, config.input_size]
    said = {"passes": sampler.passes, "wanted": wanted}
else:
    config = model.config
    shape = (count, config.in_channels, *2 * (16 * config.input_patch,))
    with torch.no_grad():
        output = model.activations(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    output = output["layer4"]
    said = {"passes": count, "wanted": [count, *output.shape[1:]]}
said["shape"] = list(output.shape)
said["finite"] = bool(torch.isfinite(output).all())
said["spread"] = float(output.double().std())
said["modules"] = sorted(sys.modules)
print(json.dumps(said))
"""


@check("release.integrity")
def integrity(ctx: CheckContext) -> Measurement:
    """The file loads completely, and digest and probe are those recorded when it was saved."""
    path = _path(ctx)
    try:
        loaded = store.load_artifact(path, require_metadata=True)
    except DriftError as error:
        return ctx.decide(False, _said(error))
    digest = loaded.metadata["tensors_sha256"]
    reason = f"{loaded.architecture} loads; digest and probe as recorded ({digest[:12]})"
    return ctx.decide(True, reason)


@check("release.quality")
def quality_score(ctx: CheckContext) -> Measurement:
    """`drift inspect` gives at least `params.floor` points, and no contradiction."""
    floor = int(ctx.params["floor"])
    try:
        found = quality.assess(header.read_header(_path(ctx)))
    except DriftError as error:
        return ctx.decide(False, _said(error))
    parts = {part.name: part.earned for part in found.components}
    lacking = [
        item.name for part in found.components for item in part.items if item.earned < item.possible
    ]
    short = f"; short of points: {', '.join(lacking)}" if lacking else ""
    reason = f"quality {found.score} of 100, floor {floor}{short}"
    if found.contradictions:
        reason += f"; contradiction: {found.contradictions[0]}"
    good = found.score >= floor and not found.contradictions
    return ctx.decide(good, reason, measured=float(found.score), details={"components": parts})


@check("release.smoke")
def smoke(ctx: CheckContext) -> Measurement:
    """Samples in a fresh process: one forward pass each, finite, in shape, without a scorer."""
    scorers = [str(name) for name in ctx.params["scorers"]]
    command = [sys.executable, "-P", "-c", _CHILD, HOME, str(_path(ctx)), str(SAMPLES)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=CHILD_S, check=False, env=dict(os.environ)
    )
    if done.returncode != 0:
        last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
        return ctx.decide(False, f"sampling failed: {_brief(last[0] if last else 'no word')}")
    said = json.loads(done.stdout)
    wrong = faults(said, scorers)
    reason = "; ".join(wrong) or f"{SAMPLES} samples of {said['shape'][1:]}, one pass each, finite"
    details = {name: said[name] for name in ("passes", "shape", "wanted", "finite")}
    return ctx.decide(not wrong, reason, details=details)


def faults(said: dict[str, Any], scorers: list[str]) -> list[str]:
    """What is wrong with what sampling said of itself."""
    wrong = []
    if said["passes"] != SAMPLES:
        wrong.append(f"{said['passes']} forward passes for {SAMPLES} samples")
    if said["shape"] != said["wanted"]:
        wrong.append(f"samples of shape {said['shape']}, not {said['wanted']}")
    if not said["finite"]:
        wrong.append("samples that are not finite")
    elif said["spread"] == 0.0:
        wrong.append("samples that are all one constant: an untrained generator")
    for scorer in scorers:
        if any(name == scorer or name.startswith(f"{scorer}.") for name in said["modules"]):
            wrong.append(f"sampling imports {scorer}, which scores samples")
    return wrong


@check("release.round_trip")
def round_trip(ctx: CheckContext) -> Measurement:
    """Exported to the reference's layout and back: every tensor, sample and field of identity."""
    path = _path(ctx)
    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder) / "export", Path(folder) / path.name
        try:
            first = store.load_artifact(path)
            convert.export_artifact(path, there)
            convert.import_directory(there, back)
            second = store.load_artifact(back)
        except DriftError as error:
            return ctx.decide(False, _said(error))
    state, again = first.model.state_dict(), second.model.state_dict()
    wrong = [name for name in sorted(state.keys() | again.keys()) if not _same(state, again, name)]
    fields = ("architecture", "config", "tensors_sha256", "probe")
    odd = [name for name in fields if first.metadata.get(name) != second.metadata.get(name)]
    if wrong or odd:
        return ctx.decide(
            False, f"not the same after the way back: {', '.join([*wrong, *odd][:5])}"
        )
    if not torch.equal(_output(first.model), _output(second.model)):
        return ctx.decide(False, "the same tensors, and other samples")
    reason = f"{len(state)} tensors, samples and {len(fields)} fields identical after the way back"
    return ctx.decide(True, reason)


def _same(state: dict[str, Tensor], again: dict[str, Tensor], name: str) -> bool:
    if name not in state or name not in again:
        return False
    one, two = state[name], again[name]
    return one.dtype == two.dtype and one.shape == two.shape and torch.equal(one, two)


def _output(model: Any) -> Tensor:
    """Samples of a generator, features of an autoencoder, for a fixed input."""
    if isinstance(model, Generator):
        labels = cycled(range(min(SAMPLES, model.config.num_classes)), SAMPLES)
        return Sampler(model).all(labels, alpha=ALPHA, seed=SEED)
    side = SIDE * model.config.input_patch
    stream = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        image = torch.randn((1, model.config.in_channels, side, side), generator=stream)
        found: Tensor = model.activations(image)["layer4"]
    return found


def _path(ctx: CheckContext) -> Path:
    return Path(str(ctx.params["artefact"]))


def _said(error: DriftError) -> str:
    """The engine's words without the folders of this machine."""
    return _brief(" ".join(str(error).split()))


def _brief(text: str) -> str:
    words = [word.rpartition("/")[2] if word.startswith("/") else word for word in text.split()]
    line = " ".join(words)
    return line if len(line) <= 300 else f"{line[:297]}..."
