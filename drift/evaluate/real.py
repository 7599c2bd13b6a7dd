"""The real images that generated ones are judged by, without any download.

A part for training, which run, judge and Gaussians may see, and a part that is held out, which
nothing but the figures sees. Both come from the data themselves: an embedded set, or a folder of
images whose template says which of them are held out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import torch
from torch import Tensor

from drift.config import Template
from drift.data.dataset import Dataset
from drift.data.embedded import SETS
from drift.data.folder import FolderSource
from drift.data.opening import open_own
from drift.data.source import DataError, TensorSource
from drift.sample import images

MOST_VALUES = 1 << 27  # of a part in memory, half a GB; of a larger one evenly spaced images


@dataclass(frozen=True, eq=False)
class RealSet:
    """training, held_out  samples [N, C, H, W] in [-1, 1] with labels, as training sees them
    name, sha256           of the data set; classes are the names by label
    notes                  what was left out
    """

    name: str
    sha256: str
    classes: tuple[str, ...]
    training: TensorSource
    held_out: TensorSource
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.training.shape

    @cached_property
    def taught(self) -> Tensor:
        """uint8 [N, C, H, W]: the training part as every metric sees images."""
        return images.pixels(self.training.samples)

    @cached_property
    def unseen(self) -> Tensor:
        """uint8 [N, C, H, W]: the part that is held out."""
        return images.pixels(self.held_out.samples)

    def of_class(self, label: int) -> Tensor:
        """Training samples of a class as rows, [n, C * H * W]."""
        return self.training.samples[self.training.labels == label].flatten(1)


@cache
def embedded(name: str) -> RealSet:
    """An embedded set by its name; raises DigitsError where its package is not installed."""
    one = SETS[name]
    classes = tuple(map(str, range(one.classes)))
    return RealSet(name, one.sha256, classes, one.source(), one.source(held_out=True))


def of_template(template: Template, folder: Path | None = None) -> RealSet:
    """The images of a template's own folder, or of `folder`, where they have been moved to.

    Raises DataError for a template that names no folder, or holds no images out.
    """
    own = template.inputs
    if own is None or own.held_out_every is None:
        raise DataError(
            f"template {template.name}: inputs.held_out_every",
            found="no images held out",
            expected="every so many-th image of a class kept from training, such as 5",
            remedy="`drift new` writes it; a run that saw all images has none to be judged by.",
        )
    taught, unseen = (open_own(template, folder, held_out=part) for part in (False, True))
    assert isinstance(taught, FolderSource)
    assert isinstance(unseen, FolderSource)
    (training, more), (held_out, left) = _in_memory(taught), _in_memory(unseen)
    notes = tuple(note for note in (more, left) if note)
    name = template.data.dataset
    return RealSet(name, taught.digest, taught.class_map, training, held_out, notes)


def _in_memory(source: FolderSource) -> tuple[TensorSource, str]:
    """(all images of a source, or as many as fit with a note); mirror images are left out."""
    count = len(source.listing)
    most = max(1, MOST_VALUES // (source.shape[0] * source.size**2))
    chosen = torch.arange(0, count, -(-count // most))
    note = f"{len(chosen):,} of {count:,} real images are used" if len(chosen) < count else ""
    dataset: Dataset = source.dataset
    held = TensorSource(
        source.get(chosen), source.labels[chosen], source.classes, dataset, source.class_map
    )
    return held, note
