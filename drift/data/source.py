"""A source of labelled real samples with random access and an identity."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from drift.data.dataset import Dataset
from drift.data.errors import DataError as DataError
from drift.errors import InputError


class Source(Protocol):
    """labels int64 [N]; shape (C, H, W) of a sample; digest names the exact data.

    A source of mirrored pairs counts both: its N is twice the number of images, sample i + N/2 is
    the mirror image of sample i and has its label. An epoch shows every image once each way.
    """

    @property
    def labels(self) -> Tensor: ...

    @property
    def classes(self) -> int: ...

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def digest(self) -> str: ...

    def get(self, indices: Tensor) -> Tensor:
        """Samples [n, C, H, W] in float32 for indices int64 [n]."""
        ...


@runtime_checkable
class Augmentable(Protocol):
    """A source of images that can be cropped anew each time they are seen."""

    def augmented(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Random resized crops [n, C, H, W] in float32 for indices int64 [n]."""
        ...


def require_indices(indices: Tensor, count: int) -> list[int]:
    """Places in 0 .. count - 1; a negative one would silently count from the end."""
    places = [int(i) for i in indices.tolist()]
    outside = [i for i in places if not 0 <= i < count]
    if outside:
        raise InputError("indices", found=outside[:5], expected=f"places in 0 .. {count - 1}")
    return places


@dataclass(frozen=True)
class TensorSource:
    """Samples [N, C, H, W] and labels [N] in memory; `class_map[label]` is the name of a class."""

    samples: Tensor
    labels: Tensor
    classes: int
    dataset: Dataset | None = None  # None: unknown
    class_map: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.samples.ndim != 4 or len(self.samples) != len(self.labels) or not len(self.labels):
            raise InputError(
                "TensorSource",
                found=f"samples {tuple(self.samples.shape)}, {len(self.labels)} labels",
                expected="samples [N, C, H, W] and N labels, N at least 1",
            )
        held = torch.bincount(self.labels, minlength=self.classes)
        if len(held) > self.classes or bool((held == 0).any()):
            empty = (held == 0).nonzero().flatten().tolist()
            raise InputError(
                "TensorSource.labels",
                found=f"{len(held)} classes, of which {empty} have no sample",
                expected=f"samples of each of {self.classes} classes",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.samples.shape[1:]
        return channels, height, width

    @property
    def digest(self) -> str:
        """sha256 over samples and labels as they are in memory."""
        digest = hashlib.sha256()
        for tensor in (self.samples, self.labels):
            digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def get(self, indices: Tensor) -> Tensor:
        """Samples [n, C, H, W]."""
        return self.samples[indices].float()
