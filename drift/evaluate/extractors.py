"""Feature extractors of torch-fidelity's kind, each opened only with weights of a pinned digest.

The networks are in `networks`, which imports torch-fidelity; this module does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.digest import file_digest
from drift.errors import DriftError
from drift.evaluate.kinds import FID_INCEPTION as FID_INCEPTION
from drift.evaluate.kinds import INCEPTION_SHA256 as INCEPTION_SHA256
from drift.evaluate.kinds import KINDS as KINDS
from drift.evaluate.kinds import TENSORFLOW_INCEPTION as TENSORFLOW_INCEPTION
from drift.evaluate.kinds import TINY as TINY
from drift.evaluate.kinds import Kind as Kind
from drift.sample import images

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class ExtractorError(DriftError):
    """An extractor that cannot be opened."""


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
