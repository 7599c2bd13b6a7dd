"""A generator as a folder that diffusers loads, with a card that says what it is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from drift import atomic
from drift.data.dataset import UNKNOWN
from drift.errors import InputError
from drift.sample import decoder, loading
from drift.sample.loading import Origin
from drift.sample.pipeline import DriftPipeline

CARD = "README.md"


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
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        pipeline.save_pretrained(partial)
        atomic.write_text(partial / CARD, card(origin, folder.name, latents=model is not None))
        partial.chmod(0o755)
        partial.rename(folder)
        atomic.sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return origin


def card(origin: Origin, name: str, *, latents: bool) -> str:
    """What the weights are, whose, and how they are used; nothing about how good they are."""
    size = "latents, decoded by the autoencoder beside it" if latents else "pixels"
    names = ", ".join(origin.class_names[:10]) if origin.class_names else "not known"
    template = f"{origin.template or 'not recorded'}, fingerprint {origin.fingerprint or 'none'}"
    step = f"step {origin.step}" if origin.step is not None else "step not recorded"
    average = f" of decay {origin.ema_decay}" if origin.ema_decay else ""
    return f"""---
license: other
license_name: not-stated
library_name: diffusers
tags: [drifting-model, one-step, class-conditional-image-generation]
---

# {name}

A one-step generator of {size}: class label in, image out, one forward pass.

```python
import torch
import drift.sample.pipeline  # tells diffusers the class of this folder
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("{name}")
images = pipe([0, 1], num_images_per_prompt=2, generator=torch.Generator().manual_seed(0)).images
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

Whoever trained the weights has stated no licence of theirs; that of the data is above. No figure is
part of this card: `drift eval` measures, and `verify card` says what may be said of it.
"""
