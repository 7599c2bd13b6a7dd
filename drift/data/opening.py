"""The source that a template's data section asks for, or every key in which the data differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from drift.artifacts.errors import shown
from drift.config import Template
from drift.config.sections import Data
from drift.data.dataset import UNKNOWN, Dataset, joined, require_size, stated
from drift.data.folder import FolderSource
from drift.data.latents import LatentSource
from drift.data.manifest import MANIFEST, Settings
from drift.data.source import DataError, Source

GREY: Literal[1] = 1
RGB: Literal[3] = 3
OWN_LATENT = {True: "own-latent", False: "none"}


def open_source(
    place: Path, data: Data, *, classes: int | None = None, dataset: Dataset | None = None,
    grey: bool = False, every: int | None = None, held_out: bool = False,
) -> Source:  # fmt: skip
    """A latent cache or an image folder at `place`, held to the template's data section.

    classes  how many classes the generator has; None leaves it unchecked
    dataset  what the caller says the images are called; a cache may say it itself
    grey     images are read with one channel, and none may have colours
    every    as in FolderSource, and `held_out`
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
    if data.tokenizer != "none":
        source = _latents(place, data)
    else:
        channels: Literal[1, 3] = GREY if grey else RGB
        source = _images(place, data, given, channels=channels, every=every, held_out=held_out)
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


def open_own(
    template: Template, folder: Path | None = None, *, held_out: bool = False
) -> FolderSource | LatentSource:
    """The images that a template's `inputs` name, or those of `folder`, where they are now.

    held_out  the part that training leaves out, as it is: no mirror images
    """
    own = template.inputs
    assert own is not None
    data, generator = template.data, template.generator
    if held_out:
        data = data.model_copy(update={"mirror": "none"})
    found = open_source(
        folder or Path(own.folder), data, classes=generator.num_classes,
        dataset=stated(data.dataset, own.licence), grey=generator.input_shape[2] == GREY,
        every=own.held_out_every, held_out=held_out,
    )  # fmt: skip
    assert isinstance(found, FolderSource | LatentSource)
    return found


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


def _images(place: Path, data: Data, dataset: Dataset, **part: Any) -> FolderSource:
    if data.crop == "squash" or data.mirror == "own-latent":
        raise DataError(
            "template",
            found=f"data.crop {data.crop}, data.mirror {data.mirror} without a tokenizer",
            expected="crop adm-centre, none or unstated; mirror flip, none or unstated",
        )
    crop: Literal["adm-centre", "none"] = "none" if data.crop == "none" else "adm-centre"
    source = FolderSource(
        place, data.resolution, crop=crop, mirror=data.mirror == "flip", dataset=dataset, **part
    )
    if source.channels == GREY:  # now, and not in the middle of a run
        source.require_grey()
    return source
