"""What judges the images that `drift eval` measures, where nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drift.data.dataset import EMBEDDED_SETS
from drift.errors import DriftError

if TYPE_CHECKING:
    from drift.evaluate.proxy import Encoded
    from drift.evaluate.real import RealSet
    from drift.evaluate.run import Opened

OWN, IMAGES = "own", "images"


def real_of(opened: Opened, asked: str | None, folder: Path | None) -> RealSet | None:
    """The real images of the run's data, where they judge without a download; else None."""
    from drift.evaluate import real

    known, loaded = opened.images.facts.get("dataset"), opened.loaded
    if (asked or known) in EMBEDDED_SETS:
        return real.embedded(str(asked or known))
    template = loaded.template if loaded else None
    if asked == OWN and template is None:
        raise DriftError(
            "--dataset own", found="no run with its template", expected="a run on own images",
            remedy="`drift eval RUN`; samples by themselves are judged by --statistics.",
        )  # fmt: skip
    held_out = template is not None and template.inputs and template.inputs.held_out_every
    if asked == IMAGES or template is None or not (held_out or asked == OWN):
        return None
    found = real.of_template(template, folder)
    seen = loaded.data_sha256 if loaded else None
    if seen not in (None, found.sha256):
        raise DriftError(
            f"images of {found.name}", found=f"data of digest {found.sha256[:16]}",
            expected=f"{str(seen)[:16]}, on which the run was trained",
            remedy="Images were added, changed or moved: name the folder as it was with --data.",
        )  # fmt: skip
    return found


def encoded(source: Path, opened: Opened, real: RealSet, given: Path | None) -> Encoded:
    """Real images under the encoder given, else the one beside the run: RUN/, or RUN-encoder/."""
    from drift.artifacts import store
    from drift.encoder import MaskedAutoencoder
    from drift.evaluate.proxy import Encoded

    template = opened.loaded.origin.template if opened.loaded else None
    usual = [source / "encoder.safetensors", source.with_name(f"{source.name}-encoder")]
    usual.append(source.parent / f"{template}-encoder")
    places = [given] if given else [p if p.suffix else p / "encoder.safetensors" for p in usual]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DriftError(
            "--encoder", found=f"no {' or '.join(map(str, places))}", expected="an encoder",
            remedy=f"`drift pretrain {template or 'digits'}` makes one; --encoder names another.",
        )  # fmt: skip
    model = store.load_artifact(path).model
    if not isinstance(model, MaskedAutoencoder):
        raise DriftError(str(path), found="a generator", expected="a masked autoencoder")
    return Encoded(model, real)
