"""Features of a stream of images: one batch of them in memory, one row of numbers kept of each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drift.errors import InputError
from drift.evaluate.extractors import Extractor
from drift.evaluate.sources import Batches, Images


@dataclass(frozen=True)
class Features:
    """pool [N, D], logits [N, C] or None, float32; labels [N], -1 where unknown."""

    pool: NDArray[np.float32]
    logits: NDArray[np.float32] | None
    labels: NDArray[np.int64]

    @property
    def strata(self) -> NDArray[np.int64] | None:
        """The labels, where all are known."""
        return self.labels if len(self.labels) and self.labels.min() >= 0 else None


class Digest(Protocol):
    """What hashlib makes."""

    def hexdigest(self) -> str:
        """As it is so far."""


def digesting(images: Images) -> tuple[Images, Digest]:
    """The images, and sha256 over pixels and labels of the batches that were taken so far."""
    digest = hashlib.sha256()

    def batches() -> Batches:
        for pixels, labels in images.open():
            for tensor in (pixels, labels):
                digest.update(tensor.contiguous().cpu().numpy().tobytes())
            yield pixels, labels

    return replace(images, open=batches), digest


def extract(images: Images, extractor: Extractor) -> Features:
    """Features of all images; the images themselves are gone when it returns.

    Raises InputError for features that are not finite.
    """
    pool: NDArray[np.float32] | None = None
    logits: NDArray[np.float32] | None = None
    labels = np.full(images.count, -1, dtype=np.int64)
    done = 0
    for pixels, named in images.batches():
        vectors, scores = extractor(pixels)
        place = slice(done, done + len(vectors))
        if pool is None:  # a row that no image fills stays NaN and is refused below
            pool = np.full((images.count, vectors.shape[1]), np.nan, dtype=np.float32)
            if scores is not None:
                logits = np.full((images.count, scores.shape[1]), np.nan, dtype=np.float32)
        pool[place] = vectors
        if logits is not None and scores is not None:
            logits[place] = scores
        labels[place] = named.numpy()
        done += len(vectors)
    if pool is None or not np.isfinite(pool).all():
        raise InputError(
            "features", found="none" if pool is None else "numbers that are not finite",
            expected="finite features of at least one image",
        )  # fmt: skip
    return Features(pool, logits, labels)
