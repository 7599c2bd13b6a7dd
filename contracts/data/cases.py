"""Small data sets and a small autoencoder: made on the spot, thrown away after the check."""

from __future__ import annotations

import errno
import io
import tarfile
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from drift.data import encode as encoding
from drift.data.entries import Listing
from drift.data.listing import list_images
from drift.data.manifest import Manifest
from drift.data.tokenizer import Tokenizer, parameters_sha256

from . import crop as data_crop

SIZE = 16
# Width and height of the images of a class: even and odd, wide and tall, smaller and much larger.
SIDES = ((16, 16), (33, 17), (9, 25), (70, 40), (40, 71))
CLASSES = ("wren", "carp", "newt")  # in another order than the sorted one


def noise(seed: int, width: int, height: int) -> NDArray[np.uint8]:
    """[height, width, 3] uniform levels: every filter and every offset shows."""
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return levels.astype(np.uint8)


def png(levels: NDArray[np.uint8]) -> bytes:
    """A file's bytes, without loss."""
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


def originals() -> dict[str, NDArray[np.uint8]]:
    """Name below the root -> levels, for the classes of `CLASSES`; sorted names are the order."""
    made = {
        f"{name}/{i}.png": noise(10 * c + i, *sides)
        for c, name in enumerate(CLASSES)
        for i, sides in enumerate(SIDES)
    }
    return dict(sorted(made.items()))


def write_folder(root: Path) -> Path:
    """The originals as one folder per class, written in another order than the sorted one."""
    for name, levels in reversed(originals().items()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(levels))
    return root


def write_archive(root: Path) -> Path:
    """The originals as one tar in which the classes alternate; keys are numbers."""
    root.mkdir(parents=True, exist_ok=True)
    names = list(originals())
    with tarfile.open(root / "part-0.tar", "w") as tar:
        for key, name in enumerate(names[i::len(SIDES)][c] for i in range(len(SIDES))
                                   for c in range(len(CLASSES))):  # fmt: skip
            label = sorted(CLASSES).index(name.split("/")[0])
            for member, data in ((f"{key:04d}.png", png(originals()[name])),
                                 (f"{key:04d}.cls", str(label).encode())):  # fmt: skip
                entry = tarfile.TarInfo(member)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return root


def cropped(levels: NDArray[np.uint8]) -> Tensor:
    """[3, SIZE, SIZE] in [-1, 1] by the crop of data_crop."""
    square = data_crop.centre_crop(levels, SIZE).transpose(2, 0, 1)
    return torch.from_numpy(square.astype(np.float32)) / 127.5 - 1


@cache
def tokenizer(factor: float = 0.18215) -> Tokenizer:
    """A small AutoencoderKL with random parameters; it halves a side once."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            latent_channels=4,
            scaling_factor=factor,
        )
    with torch.no_grad():  # deviations well off 1, so that a variance is not taken for one
        model.quant_conv.bias[model.config.latent_channels :] -= 2.0
    model = model.eval().requires_grad_(False)
    return Tokenizer(model, "local:small", "none", parameters_sha256(model), factor)


def posterior(images: Tensor) -> tuple[Tensor, Tensor]:
    """(mean, deviation) [n, 4, SIZE/2, SIZE/2] by the autoencoder itself, one image at a time."""
    model = tokenizer().model
    with torch.inference_mode():
        parts = [model.encode(image[None]).latent_dist for image in images]
    return torch.cat([p.mean for p in parts]), torch.cat([p.std for p in parts])


def encoded(
    images: Path | Listing, out: Path, pace: encoding.Pace | None = None, **settings: Any
) -> Manifest:
    """A cache in `out` of an image folder, by default in shards of 6 of its 15 images."""
    listing = list_images(images) if isinstance(images, Path) else images
    chosen = encoding.settings_for(tokenizer(), **({"resolution": SIZE, "per_shard": 6} | settings))
    return encoding.encode(
        listing, out, tokenizer(), chosen, pace or encoding.Pace(batch=4, workers=1)
    )


def contents(root: Path) -> dict[str, bytes]:
    """File name -> bytes of a flat folder."""
    return {path.name: path.read_bytes() for path in sorted(root.iterdir())}


def full_disk(after: int) -> AbstractContextManager[Any]:
    """Write number `after` stores half of its bytes, then fails as on a full disk."""
    original = Path.open
    opened = [0]

    def limited(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        stream = original(path, mode, *rest, **named)
        if mode != "wb":
            return stream
        opened[0] += 1
        if opened[0] <= after:
            return stream
        raw = stream.write

        def write(data: bytes) -> int:
            raw(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

        class Full:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                stream.close()

            def __getattr__(self, name: str) -> Any:
                return write if name == "write" else getattr(stream, name)

        return Full()

    return patch.object(Path, "open", limited)
