"""Feature extractors of torch-fidelity's kind, each opened only with weights of a pinned digest.

The networks are in `networks`, which imports torch-fidelity; this module does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.errors import DriftError
from drift.evaluate import pins
from drift.sample import images
from drift.sample.loading import file_digest

FID_INCEPTION = "fid-inception-2015-12-05"
TENSORFLOW_INCEPTION = "fid-inception-2015-12-05-tensorflow-resize"
TINY = "drift-tiny"

INCEPTION_SHA256 = pins.INCEPTION_SHA256

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class ExtractorError(DriftError):
    """An extractor that cannot be opened."""


@dataclass(frozen=True)
class Kind:
    """An extractor by name.

    network     class in `networks`
    resize      how an image is brought to the input size
    pool        the layer whose vectors FID, KID, precision and recall compare
    logits      the layer of the Inception score, None where there is none
    sha256      digest of the only weights that have this name; None: the caller pins it
    """

    network: str
    resize: str
    pool: str
    logits: str | None
    sha256: str | None


KINDS: Mapping[str, Kind] = {
    FID_INCEPTION: Kind(
        "ReferenceInception", "torchscript-bilinear-299", "2048", "logits_unbiased",
        INCEPTION_SHA256,
    ),
    TENSORFLOW_INCEPTION: Kind(
        "TensorflowInception", "tensorflow1-bilinear-299", "2048", "logits_unbiased",
        INCEPTION_SHA256,
    ),
    TINY: Kind("Tiny", "none", "pool", "logits", None),
}  # fmt: skip


@dataclass(frozen=True)
class Extractor:
    """uint8 [B, 1 or 3, H, W] -> (features [B, D], logits [B, C] or None), float32."""

    name: str
    sha256: str
    resize: str
    network: Any

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        device = next(self.network.parameters()).device
        found = [part.float().cpu().numpy() for part in self.network(images.rgb(pixels).to(device))]
        return found[0], found[1] if len(found) > 1 else None


def open_extractor(
    name: str, weights: Path | str | None, sha256: str | None = None, *, device: str = "cpu"
) -> Extractor:
    """An extractor with these weights, whose digest is checked before a byte of them is read.

    sha256  the pinned digest; may be left out where the name has one
    Raises ExtractorError for an unknown name, for weights that are not there (nothing is ever
    downloaded) and for weights that are not the pinned ones.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise ExtractorError("--extractor", found=name, expected=" or ".join(KINDS))
    pinned = _pinned(name, kind, sha256)
    if weights is None or not Path(weights).is_file():
        raise ExtractorError(
            "--extractor-weights", found=weights or "nothing",
            expected=f"the file of {name} with sha256 {pinned}",
            remedy="Nothing is downloaded; without the weights there is no figure.",
        )  # fmt: skip
    require_digest(Path(weights), pinned)
    from drift.evaluate import networks

    network = networks.create(kind, name, Path(weights)).to(device)
    return Extractor(name, pinned, kind.resize, network)


def require_digest(path: Path, pinned: str) -> None:
    """Raises ExtractorError unless the file has the pinned digest."""
    found = file_digest(path)
    if found != pinned:
        raise ExtractorError(
            str(path), found=f"sha256 {found}", expected=pinned,
            remedy="Features of other weights compare with no published figure.",
        )  # fmt: skip


def _pinned(name: str, kind: Kind, given: str | None) -> str:
    if given is not None and not _SHA256.match(given):
        raise ExtractorError("--extractor-sha256", found=given, expected="64 hexadecimal digits")
    if kind.sha256 is not None and given not in (None, kind.sha256):
        raise ExtractorError(
            "--extractor-sha256", found=given, expected=f"{kind.sha256} for {name}"
        )
    pinned = kind.sha256 or given
    if pinned is None:
        raise ExtractorError(
            "--extractor-sha256", found="nothing", expected=f"the sha256 of the weights of {name}",
            remedy="A figure without the digest of its extractor cannot be compared.",
        )  # fmt: skip
    return pinned
