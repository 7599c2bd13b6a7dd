"""The places where the paper's text and the reference release compute different losses.

`reference` produced the published checkpoints and is the default; `paper` takes the text literally.
Each field of `Semantics` is one such place. The two instances are the only ones: evidence made
under one says nothing about the other, so there is no way to ask for a mixture.

What the text leaves open and both share: the clip of squared distances, the floors of the feature
scale and of the force scale, and the expansion by which distances are computed (`drift.pairs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drift.errors import InputError

__all__ = ["PAPER", "REFERENCE", "SEMANTICS", "Semantics", "semantics_named"]


@dataclass(frozen=True)
class Semantics:
    """Switches of the drifting loss.

    uncond_weight
        `after_softmax`: w multiplies the affinity, which stays normalised without it; w = 0 leaves
        the column in both softmaxes (reference, drift_loss.py:97).
        `in_kernel`: w multiplies the kernel itself, before both normalisations (paper, A.7: the
        samples' weight is "used to weight the kernel"). w cancels in the softmax over x, so the
        effective weight is about sqrt(w), and a sample with w = 0 leaves the softmax over y.
        The sentence also allows the reference's reading; this is the one that differs.
    affinity_floor
        Smallest product of the two softmaxes under the square root: 1e-6 (reference,
        drift_loss.py:95) or none (paper, Algorithm 2).
    self_mask
        What is added to the distance of a generated sample to itself: 100 after normalisation
        (reference, drift_loss.py:81-85) or 1e6 before it (paper, Algorithm 2). With the floor of
        the reference the masked pair still has the affinity 1e-3; without a floor it has none.
    temperature_aggregation
        `sum_forces`: the normalised forces of all temperatures are added and regressed once
        (reference, drift_loss.py:90-131; paper, A.6). `sum_losses`: one loss per temperature, the
        losses are added (paper, Table 8). The gradient is the same, since each loss is quadratic
        around the same point; the value is not. The paper contradicts itself here, and `paper`
        takes the statement that differs.
    location_reduction
        How the losses of the locations of one feature map become one number: `mean` (reference,
        train.py:138-140) or `sum` (paper, A.5).
    """

    name: str
    uncond_weight: Literal["after_softmax", "in_kernel"]
    affinity_floor: float
    self_mask: Literal["normalised+100", "raw+1e6"]
    temperature_aggregation: Literal["sum_forces", "sum_losses"]
    location_reduction: Literal["mean", "sum"]


REFERENCE = Semantics(
    name="reference",
    uncond_weight="after_softmax",
    affinity_floor=1.0e-6,
    self_mask="normalised+100",
    temperature_aggregation="sum_forces",
    location_reduction="mean",
)

PAPER = Semantics(
    name="paper",
    uncond_weight="in_kernel",
    affinity_floor=0.0,
    self_mask="raw+1e6",
    temperature_aggregation="sum_losses",
    location_reduction="sum",
)

SEMANTICS = {"reference": REFERENCE, "paper": PAPER}


def semantics_named(name: str) -> Semantics:
    """The switches called `name`; InputError for any name but `reference` and `paper`."""
    if name not in SEMANTICS:
        raise InputError("semantics", found=repr(name), expected=" or ".join(SEMANTICS))
    return SEMANTICS[name]
