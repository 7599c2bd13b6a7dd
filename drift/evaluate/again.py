"""What a file of samples says of itself, held against the weights that it names.

Whatever stands in a file can be edited, so nothing of it is believed: the weights are opened where
the file says they are, every sample is drawn again, and the facts are those of the weights and of
their run. A file whose weights are not at hand keeps no fact: it is images of unknown origin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift.digest import file_digest
from drift.evaluate.given import SourceError
from drift.evaluate.sources import BATCH, Images
from drift.progress import progress
from drift.sample import images, loading
from drift.sample.decoder import Decoder, decoder_for
from drift.sample.loading import NONE, Loaded
from drift.sample.sampler import Sampler

# Levels of 255, averaged over one image, over all: what another batch or device rounds otherwise,
# with activations in float32 and in half precision.
FLOAT32, HALF = (0.25, 0.02), (2.0, 0.5)
KEPT = ("dataset", "classes", "lossy_files")  # say which figures are asked for, not who drew it
UNKNOWN = "what the samples say of themselves cannot be held against their weights"
_KINDS: Mapping[str, tuple[type, ...]] = {
    "path": (str,),
    "checkpoint_sha256": (str,),
    "weights": (str,),
    "ema_decay": (str, type(None)),
    "alpha": (float, int),
    "seeds": (list,),
    "count": (int,),
}


@dataclass(frozen=True)
class Pinned:
    """The autoencoder that the caller names, where samples are latents."""

    vae: str | None = None
    revision: str | None = None
    device: str = "cpu"


def held(path: Path, found: Images, pinned: Pinned) -> Images:
    """The images with the facts that were borne out; all others are gone.

    Raises SourceError for a file that contradicts the weights it names: samples that these do not
    draw, another number of them, labels that are lost.
    """
    said = found.facts
    if not said.keys() - set(KEPT):
        return found
    if _KINDS.keys() - said.keys():
        return _unknown(found, f"marks were lost: {', '.join(sorted(_KINDS.keys() - said.keys()))}")
    _require_whole(path, said)
    weights = _weights(path, said)
    if weights is None:
        return _unknown(found, f"{said['path']} is not there, or is another file now")
    loaded = loading.load(
        weights, weights=said["weights"], ema_decay=said["ema_decay"], device=pinned.device
    )
    if loaded.origin.tokenizer != NONE and pinned.vae is None:
        return _unknown(found, f"--vae and --vae-revision of {loaded.origin.tokenizer} are missing")
    decode = decoder_for(loaded.origin, pinned.vae, pinned.revision, device=pinned.device)
    _require_drawn(path, found, loaded, decode)
    return replace(found, facts=_borne_out(said, loaded, decode))


def _require_whole(path: Path, said: Mapping[str, Any]) -> None:
    for name, kinds in _KINDS.items():
        if type(said.get(name)) not in kinds:
            raise SourceError(
                f"{path}: {name}", found=repr(said.get(name)),
                expected=" or ".join(kind.__name__ for kind in kinds),
                remedy="Draw the samples again; what a file says of itself is never edited.",
            )  # fmt: skip
    if len(said["seeds"]) != 1 or type(said["seeds"][0]) is not int:
        raise SourceError(f"{path}: seeds", found=repr(said["seeds"]), expected="one whole number")


def _weights(path: Path, said: Mapping[str, Any]) -> Path | None:
    """The file of weights with the digest that is said, from here or beside the samples."""
    named = Path(said["path"])
    for place in (named, path.parent / named):
        if place.is_file() and file_digest(place) == said["checkpoint_sha256"]:
            return place
    return None


def _unknown(found: Images, why: str) -> Images:
    kept = {name: value for name, value in found.facts.items() if name in KEPT}
    bypasses = [*found.facts.get("bypasses", ()), f"{UNKNOWN}: {why}"]
    return replace(found, facts={**kept, "bypasses": bypasses})


def _borne_out(said: Mapping[str, Any], loaded: Loaded, decode: Decoder) -> dict[str, Any]:
    """Facts of the weights and their run, and how they were drawn; bypasses of either side."""
    origin = asdict(loaded.origin)
    bypasses = dict.fromkeys([*loaded.origin.bypasses, *said.get("bypasses", ())])
    return {
        **origin,
        "checkpoint_sha256": loaded.origin.sha256,
        "alpha": float(said["alpha"]),
        "seeds": list(said["seeds"]),
        "classes": loaded.generator.config.num_classes,
        "decoder": decode.identity,
        "bypasses": list(bypasses),
    }


def _require_drawn(path: Path, found: Images, loaded: Loaded, decode: Decoder) -> None:
    """Raises SourceError for the first image that the weights do not draw at its place."""
    said = found.facts
    if said["count"] != found.count:
        raise _contradiction(
            path, f"{found.count} images", f"the {said['count']} that were drawn, none left out"
        )
    of_one, of_all = HALF if loaded.generator.config.bfloat16 else FLOAT32
    offs: list[float] = []
    with progress("samples drawn again", found.count, unit="samples") as advance:
        for pixels, drawn in _pairs(path, found, loaded, decode):
            if drawn.shape != pixels.shape:
                shapes = [str(tuple(one.shape[1:])) for one in (pixels, drawn)]
                raise _contradiction(path, f"images {shapes[0]}", shapes[1])
            offs += (drawn.float() - pixels.float()).abs().flatten(1).mean(1).tolist()
            advance(len(offs))
    worst, average = max(range(len(offs)), key=offs.__getitem__), sum(offs) / len(offs)
    if offs[worst] > of_one or average > of_all:
        raise _contradiction(
            path, f"images {average:.3g} levels off on average, image {worst} {offs[worst]:.3g}",
            f"what {said['path']} draws, to {of_all:g} and {of_one:g}",
        )  # fmt: skip


def _pairs(
    path: Path, found: Images, loaded: Loaded, decode: Decoder
) -> Iterator[tuple[Tensor, Tensor]]:
    """(bytes in the file, bytes drawn again), batch by batch."""
    sampler, said, done = Sampler(loaded.generator, batch_size=BATCH), found.facts, 0
    (seed,) = said["seeds"]
    for pixels, labels in found.open():
        if int(labels.min()) < 0:
            raise _contradiction(path, "samples without labels", "the labels they were drawn for")
        batches = sampler.batches(labels, alpha=said["alpha"], seed=seed, first=done)
        drawn = torch.cat([images.pixels(decode(batch.samples)) for batch in batches])
        yield pixels, drawn
        done += len(pixels)


def _contradiction(path: Path, found: str, expected: str) -> SourceError:
    return SourceError(
        str(path), found=found, expected=expected,
        remedy="Evaluate the run itself, or `drift sample` again; images of unknown origin are "
        "measured without what the file says of them (np.savez, or a folder).",
    )  # fmt: skip
