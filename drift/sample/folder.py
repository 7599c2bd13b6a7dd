"""A generator as a folder that diffusers loads, with a card that says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from drift import atomic
from drift.artifacts import strict_json
from drift.data.dataset import UNKNOWN
from drift.errors import InputError
from drift.sample import decoder, loading
from drift.sample.loading import Origin
from drift.sample.pipeline import DriftPipeline

CARD = "README.md"
CARRIED = ("fid_proxy", "coverage", "class_accuracy", "precision", "recall")  # figures of a card
MOST_BYTES = 1 << 22  # of an evaluation record


def write(
    source: Path, folder: Path, *, vae: str | None, revision: str | None, **chosen: Any
) -> Origin:
    """Weights, configuration and card of `source` in a new folder, which is there whole or not.

    source   an artefact, a checkpoint or a run; `chosen` as in `drift.sample.load`
    vae      of a generator of latents: the autoencoder it was trained with, as for `drift sample`
    Raises InputError for a folder that is there; SampleError, DataError as `decoder_for` does.
    """
    if folder.exists():
        raise InputError(str(folder), found="something of this name", expected="a new folder")
    origin = loading.load(source, **chosen).origin
    model = decoder.decoder_for(origin, vae, revision).vae
    pipeline: Any = DriftPipeline.from_run(source, vae=model, **chosen)
    text = card(origin, folder.name, latents=model is not None, measured=measured(source, origin))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(folder) as partial:
        partial.mkdir()
        pipeline.save_pretrained(partial)
        atomic.write_text(partial / CARD, text)
    return origin


def card(
    origin: Origin, name: str, *, latents: bool, measured: Sequence[Mapping[str, Any]] = ()
) -> str:
    """What the weights are, whose, and how they are used; of figures those of the axis proxy only.

    measured  evaluation records of these very weights
    """
    size = "latents, decoded by the autoencoder beside it" if latents else "pixels"
    names = ", ".join(origin.class_names[:10]) if origin.class_names else "not known"
    template = f"{origin.template or 'not recorded'}, fingerprint {origin.fingerprint or 'none'}"
    step = f"step {origin.step}" if origin.step is not None else "step not recorded"
    average = f" of decay {origin.ema_decay}" if origin.ema_decay else ""
    said = "The figures above are on the axis `proxy`: they compare with nothing published."
    return f"""---
{yaml.safe_dump(_facts(origin, name, measured), sort_keys=False, allow_unicode=True)}---

# {name}

A one-step generator of {size}: class label in, image out, one forward pass.

```python
import torch
import drift.sample.pipeline  # tells diffusers the class of this folder
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("{name}")
images = pipe([0], num_images_per_prompt=2, generator=torch.Generator().manual_seed(0)).images
```

| | |
|---|---|
| weights | {origin.weights}{average}, {step} |
| template | {template} |
| column of Table 8 | {origin.column or "none"} |
| data set | {origin.dataset or UNKNOWN}, licence {origin.dataset_licence} |
| classes | {names} |
| autoencoder | {origin.tokenizer}, sha256 {origin.tokenizer_sha256 or "not recorded"} |
| file | sha256 {origin.sha256} |
| left out or changed | {", ".join(origin.bypasses) or "nothing"} |

Whoever trained the weights has stated no licence of theirs; that of the data is above. {
        said if measured else "No figure is part of this card."
    } `drift eval` measures, and `verify card` says what may be said of it.
"""


def _facts(origin: Origin, name: str, measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the Hub reads of a card, in its own words."""
    known: dict[str, Any] = {
        "license": UNKNOWN,
        "library_name": "diffusers",
        "tags": ["drifting-model", "one-step", "class-conditional-image-generation"],
    }
    if origin.dataset not in (None, UNKNOWN):
        known["datasets"] = [origin.dataset]
    if measured:
        known["model-index"] = [{"name": name, "results": [_result(one) for one in measured]}]
    return known


def _result(record: Mapping[str, Any]) -> dict[str, Any]:
    """One evaluation as a result of a model-index; its axis stands in the name of each figure."""
    metrics = [
        {
            "type": kind,
            "name": f"{kind} [{record['axis']}], 95 % interval {figure['interval'][0]:.4g} to "
            f"{figure['interval'][1]:.4g}, {record['samples']} samples",
            "value": figure["value"],
            "verified": False,
        }
        for kind, figure in record["metrics"].items()
        if kind in CARRIED
    ]
    named = record["dataset"] or UNKNOWN
    return {
        "task": {"type": "unconditional-image-generation"},
        "dataset": {"name": named, "type": named},
        "metrics": metrics,
    }


def measured(source: Path, origin: Origin) -> list[dict[str, Any]]:
    """The evaluation of these very weights in a run's folder: the newest on the axis proxy.

    Numbers on a stronger axis count only where they are signed, which `verify card` looks at.
    """
    found = []
    for path in sorted((source / "evaluations").glob("*.json")) if source.is_dir() else ():
        record = strict_json.parse(path.read_bytes(), place=str(path), limit=MOST_BYTES)
        same = isinstance(record, dict) and (
            record.get("checkpoint_sha256"), record.get("weights"), record.get("ema_decay"),
        ) == (origin.sha256, origin.weights, origin.ema_decay)  # fmt: skip
        if same and record.get("axis") == "proxy":
            found.append(record)
    return found[-1:]
