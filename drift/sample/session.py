"""Samples on request, one a line, from a process that holds a run's weights.

`python -m drift.sample.session RUN` is what `verify serve` starts for interactive sampling
(`[project.entry-points."verify.samplers"]`). First it says `{"ready": facts}` or
`{"error": {place, found, expected, remedy}}`; then each line
`{"class": c, "alpha": a, "seed": s, "index": i}` is answered by `{"png": base64, "sha256": hex}` or
by an error. The same four numbers give the same picture, whatever was asked before.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

from drift.artifacts import header, strict_json
from drift.errors import DriftError, InputError
from drift.sample import grids, load
from drift.sample.loading import Loaded, checkpoint_of
from drift.sample.sampler import Sampler

BAD_INPUT = 2
MOST_BYTES = 4096  # of a request
WANTED = {"class": int, "alpha": float, "seed": int, "index": int}
LARGEST = 2**53


def main() -> int:
    """Until standard input ends."""
    try:
        loaded = opened(Path(sys.argv[1]))
    except DriftError as error:
        _say({"error": said(error)})
        return BAD_INPUT
    _say({"ready": facts_of(loaded)})
    sampler = Sampler(loaded.generator, batch_size=1)
    for line in sys.stdin.buffer:
        try:
            _say(drawn(sampler, line))
        except DriftError as error:
            _say({"error": said(error)})
    return 0


def opened(run: Path) -> Loaded:
    """The newest checkpoint of a run; of averages that with the longest memory, as its pictures."""
    path = checkpoint_of(run)
    decays = {name.split("/")[1] for name in header.read_header(path).tensors
              if name.startswith("ema/")}  # fmt: skip
    return load(path, ema_decay=max(decays, key=float) if decays else None)


def facts_of(loaded: Loaded) -> dict[str, Any]:
    """What can be asked for, and of which weights; no path of this machine."""
    origin, classes = loaded.origin, loaded.generator.config.num_classes
    images = loaded.generator.config.in_channels in (1, 3)
    return {
        "name": f"{origin.template} step {origin.step}",
        "classes": classes,
        "class_names": list(origin.class_names) if origin.class_names else None,
        "weights": f"{origin.weights} {origin.ema_decay or ''}".strip(),
        "sha256": origin.sha256,
        "bypasses": list(origin.bypasses),
        "says": "" if images else "Latents are not decoded: their first channel is shown.",
    }


def drawn(sampler: Sampler, line: bytes) -> dict[str, str]:
    """One request -> its picture; raises InputError for one that is none."""
    asked = _asked(line)
    labels = torch.tensor([asked["class"]])
    samples = sampler.all(labels, alpha=asked["alpha"], seed=asked["seed"], first=asked["index"])
    png = grids.png(grids.grid(grids.levels(samples), 1))
    return {
        "png": base64.b64encode(png).decode("ascii"), "sha256": hashlib.sha256(png).hexdigest()
    }  # fmt: skip


def said(error: DriftError) -> dict[str, str]:
    """The parts of an error."""
    return {name: str(getattr(error, name)) for name in ("place", "found", "expected", "remedy")}


def _asked(line: bytes) -> dict[str, Any]:
    found = strict_json.parse(line, place="request", limit=MOST_BYTES)
    if not isinstance(found, dict) or found.keys() != WANTED.keys():
        raise InputError(
            "request", found=repr(found)[:80], expected=f"the keys {', '.join(WANTED)}"
        )
    for name, kind in WANTED.items():
        value = found[name]
        numbers = (int, float) if kind is float else (int,)
        if type(value) not in numbers or not 0 <= value <= LARGEST:
            raise InputError(f"request: {name}", found=repr(value)[:80], expected=kind.__name__)
    return found


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
