"""The source that a template's data section asks for, or every key in which the data differ."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from drift.artifacts.errors import shown
from drift.config.sections import Data
from drift.data.dataset import UNKNOWN, Dataset, joined, require_size
from drift.data.folder import FolderSource
from drift.data.latents import LatentSource
from drift.data.manifest import MANIFEST, Settings
from drift.data.source import DataError, Source

OWN_LATENT = {True: "own-latent", False: "none"}


def open_source(
    place: Path, data: Data, *, classes: int | None = None, dataset: Dataset | None = None
) -> Source:
    """A latent cache or an image folder at `place`, held to the template's data section.

    classes  how many classes the generator has; None leaves it unchecked
    dataset  what the caller says the images are called; a cache may say it itself
    A data set with a name has that of the section; one without stays unknown, whatever that says.
    What the section leaves `unstated` for pixels is the ADM centre crop and no mirrored images.
    Raises DataError that names every key that differs.
    """
    if not place.is_dir():
        raise DataError(
            str(place),
            found="a file" if place.exists() else "no such folder",
            expected="a latent cache or a folder of images",
            remedy="Check --data; `drift encode IMAGES --out DIR` makes a latent cache.",
        )
    given = dataset or Dataset()
    source: FolderSource | LatentSource
    source = _latents(place, data) if data.tokenizer != "none" else _images(place, data, given)
    source.dataset = joined(source.dataset, given, place=str(place))
    named, images = source.dataset.name, len(source.labels) // (2 if source.mirror else 1)
    require_size(source.dataset, classes=source.classes, images=images, place=str(place))
    if named not in (UNKNOWN, data.dataset):
        raise DataError(
            str(place),
            found=f"data.dataset is {shown(named)} in the data, {shown(data.dataset)} in the "
            "template",
            expected="the data of the template",
            remedy=f"Pass --set data.dataset={named}; the template is then none of a column.",
        )
    if classes is not None and source.classes != classes:
        raise DataError(
            str(place),
            found=f"{source.classes} classes",
            expected=f"{classes}, as the generator has",
        )
    return source


def differences(settings: Settings, data: Data) -> list[str]:
    """The keys of a template's data section that a cache does not have, with both values."""
    found = {
        "resolution": settings.resolution,
        "tokenizer": settings.vae,
        "tokenizer_revision": settings.pinned,
        "scaling_factor": settings.scaling_factor,
        "posterior": settings.posterior,
        "mirror": OWN_LATENT[settings.mirrored],
        "crop": settings.crop,
    }
    # a cache that holds the mirrored latents can also be used without them
    unused = {"mirror"} if settings.mirrored and data.mirror == "none" else set()
    if settings.vae == data.tokenizer and settings.vae_revision == data.tokenizer_revision:
        unused.add("tokenizer_revision")  # a local one: the run records the digest of the cache
    return [
        f"data.{key} is {shown(value)} in the cache, {shown(getattr(data, key))} in the template"
        for key, value in found.items()
        if key not in unused and value != getattr(data, key)
    ]


def _latents(place: Path, data: Data) -> LatentSource:
    if not (place / MANIFEST).is_file():
        raise DataError(
            str(place),
            found=f"no {MANIFEST}",
            expected=f"a latent cache of {data.tokenizer}",
            remedy="`drift encode IMAGES --out DIR` makes one from a folder of images.",
        )
    source = LatentSource(place, mirror=False if data.mirror == "none" else None)
    differing = differences(source.manifest.settings, data)
    if differing:
        raise DataError(
            str(place),
            found="; ".join(differing),
            expected="the data of the template",
            remedy="Encode with these settings, or use a template that states the cache's.",
        )
    return source


def _images(place: Path, data: Data, dataset: Dataset) -> FolderSource:
    if data.crop == "squash" or data.mirror == "own-latent":
        raise DataError(
            "template",
            found=f"data.crop {data.crop}, data.mirror {data.mirror} without a tokenizer",
            expected="crop adm-centre, none or unstated; mirror flip, none or unstated",
        )
    crop: Literal["adm-centre", "none"] = "none" if data.crop == "none" else "adm-centre"
    return FolderSource(
        place, data.resolution, crop=crop, mirror=data.mirror == "flip", dataset=dataset
    )
