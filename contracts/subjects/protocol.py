"""What an implementation from elsewhere may offer to be audited: the protocol, typed.

A subject is a module, an object or a mapping with functions under the names below; one is enough.
All of them take and give NumPy arrays (float32 unless said) or numbers, by keyword, and keep no
state. With `DOMAIN = {"framework": "torch"}` they are given tensors instead. A class is named like
its capability in camel case; the first line of its text says what it is, the line `unlocks` what
it lets us say. Shapes: B groups, G generated, P positive, N unconditional samples, S features, T =
G + N + P targets in the order generated, unconditional, positive.

A stage function takes any of the values below by the names of its parameters, as they were
recorded, and gives its own stage: it is fed the right input and judged alone.

    gen [B, G, S]  pos [B, P, S]  neg [B, N, S]  targets [B, T, S]  gen_n, targets_n (over c)
    weight [B, T]  weight_gen [B, G]  weight_pos [B, P]  weight_neg [B, N]
    generated G  repelling G + N  features S  temperature tau
    distance [B, G, T]  scale []  coordinate_scale c []  masked_distance [B, G, T]
    affinity [B, G, T]  coefficients [B, G, T]  force [B, G, S]  total_force [B, G, S]

A recording names the same stages, those of one temperature with it: `affinity/0.02`. The names of
`specs/golden/README.md` will do (`step32/R0.02/affinity_clipped`). Stages may come in any order;
one that is not there is MISSING, which is neither a pass nor a departure. Each is held against the
recording and, where it differs, against what follows from the stages that the subject recorded
before it: so one early departure is not counted again later.

Parameters of a model come under the paths and in the layouts of the recordings (dense kernels
[in, out], convolutions HWIO), images as [B, C, H, W].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from . import protocol_parts

__all__ = ["DOMAIN", "protocol_parts"]

Array = NDArray[np.floating[Any]]

# What a subject may say of itself in `DOMAIN`; checks draw inside, and judge nothing outside.
DOMAIN = {
    "framework": "numpy or torch: what its functions are given",
    "dtypes": "list of float32, float64, bfloat16 (models alone); float32 unless said",
    "weights": "none, uniform_neg (one weight a group, of the unconditional alone), neg or all",
    "reduction": "none (loss [B]), sum or mean (a number over B); the gradient is of the same",
    "temperatures": "list of the only temperatures that it does, all at once; without the argument "
    "[0.02, 0.05, 0.2] unless this says otherwise",
    "schedules": "list of const, cosine: what may follow the warm-up",
    "shapes": "list of the only [B, G, P, N, S] that it takes",
    "unconditional": "false where it takes no neg",
    "devices": "where it can run; the audit asks for the cpu",
    "semantics": "list of reference, paper; the audit asks for reference",
    "generator": "configuration key -> list of the only values that its generator takes",
    "encoder": "configuration key -> list of the only values that its encoder takes",
}


class DriftLossAndGradient(Protocol):
    """The drifting loss of one feature, and its gradient with respect to the generated samples.

    unlocks: every recorded case by its outcome, the oracle on drawn clouds, the known mistakes
    gives: loss [B] and the gradient of its sum, [B, G, S]
    errors: any exception on these arguments is a finding
    instead: `drift_loss` of torch with the same arguments, whose loss is differentiated for it
    """

    def __call__(
        self,
        gen: Array,
        pos: Array,
        neg: Array | None = None,
        *,
        weight_gen: Array | None = None,
        weight_pos: Array | None = None,
        weight_neg: Array | None = None,
        temperatures: Sequence[float] = (0.02, 0.05, 0.2),
    ) -> tuple[Array, Array]: ...


class Recording(Protocol):
    """The named stages of the loss: a context manager, filled while `drift_loss_and_gradient` runs.

    unlocks: every stage that it names, each judged alone
    gives: stage name -> array, in any order; pairs will do
    instead: a function of the arguments of `drift_loss_and_gradient` that returns or yields them
    """

    def __call__(self) -> AbstractContextManager[Mapping[str, Array]]: ...


class FeatureLossValue(Protocol):
    """The loss of a dictionary of features: name -> gen [B, G, L, D] and real [B, P + N, L, D].

    unlocks: how locations are reduced, and where the guidance weight comes from
    gives: a number: the sum over names of the mean over B and L
    """

    def __call__(
        self,
        gen_features: Mapping[str, Array],
        real_features: Mapping[str, Array],
        alpha: Array,
        *,
        positives: int,
        temperatures: Sequence[float],
        semantics: str,
    ) -> float: ...


class StageDistance(Protocol):
    """Stage: distances of the generated samples to all targets, [B, G, T].

    unlocks: the clip under the root
    """

    def __call__(self, gen: Array, targets: Array) -> Array: ...


class StageScale(Protocol):
    """Stage: the weighted mean distance over the whole call, one number.

    unlocks: over what the feature scale is taken, and with which weights
    """

    def __call__(self, distance: Array, weight: Array) -> Array: ...


class StageCoordinateScale(Protocol):
    """Stage: c, the divisor of coordinates, one number.

    unlocks: its floor, and the root of the number of features
    """

    def __call__(self, scale: Array, features: int) -> Array: ...


class StageMaskedDistance(Protocol):
    """Stage: distances over the scale, the generated samples' own ones masked, [B, G, T].

    unlocks: the self mask and the floor of the divisor
    """

    def __call__(self, distance: Array, scale: Array) -> Array: ...


class StageAffinity(Protocol):
    """Stage: root of the product of the two softmaxes, not yet weighted, [B, G, T].

    unlocks: both softmaxes, the floor, and that a weight has no part in them
    """

    def __call__(self, masked_distance: Array, temperature: float, weight: Array) -> Array: ...


class StageWeightedAffinity(Protocol):
    """Stage: the affinity with the weights in it, [B, G, T].

    unlocks: the power with which a weight enters, and what a weight of zero does
    """

    def __call__(self, masked_distance: Array, temperature: float, weight: Array) -> Array: ...


class StageCoefficients(Protocol):
    """Stage: signed coefficients of the targets, [B, G, T].

    unlocks: that a weight enters in proportion, and that a weight of zero takes the force alone
    """

    def __call__(self, affinity: Array, weight: Array, repelling: int) -> Array: ...


class StageForce(Protocol):
    """Stage: the force of one temperature before it is normalised, [B, G, S].

    unlocks: what attracts, what repels, and in which coordinates
    """

    def __call__(
        self, coefficients: Array, gen: Array, targets: Array, coordinate_scale: Array
    ) -> Array: ...


class StageNormalisedForce(Protocol):
    """Stage: the force of one temperature over its root mean square, [B, G, S].

    unlocks: over what the force is normalised
    """

    def __call__(self, force: Array) -> Array: ...


class StageLoss(Protocol):
    """Stage: the loss [B] of the forces of all temperatures, summed.

    unlocks: that forces are summed and regressed once
    """

    def __call__(self, total_force: Array) -> Array: ...


class StageGradient(Protocol):
    """Stage: the gradient of the sum of losses, [B, G, S].

    unlocks: that it goes through the normalised sample alone
    """

    def __call__(self, total_force: Array, coordinate_scale: Array) -> Array: ...
