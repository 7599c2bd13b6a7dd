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
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]

# What a subject may say of itself in `DOMAIN`; checks draw inside, and judge nothing outside.
DOMAIN = {
    "framework": "numpy or torch: what its functions are given",
    "dtypes": "list of float32, float64; float32 unless said",
    "weights": "none, uniform_neg (one weight a group, of the unconditional alone), neg or all",
    "reduction": "none (loss [B]), sum or mean (a number over B); the gradient is of the same",
    "temperatures": "list of the only temperatures that it takes",
    "schedules": "list of const, cosine: what may follow the warm-up",
    "shapes": "list of the only [B, G, P, N, S] that it takes",
    "unconditional": "false where it takes no neg",
    "devices": "where it can run; the audit asks for the cpu",
    "semantics": "list of reference, paper; the audit asks for reference",
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


class SampleAlpha(Protocol):
    """Guidance scales from uniforms by the inverse CDF.

    unlocks: the distribution of alpha
    gives: alpha, of the shape of u
    """

    def __call__(
        self,
        u: Array,
        *,
        power: float,
        minimum: float,
        maximum: float,
        point_mass: float = 0.0,
        u_point: Array | None = None,
    ) -> Array: ...


class UncondWeight(Protocol):
    """The weight of the unconditional samples at a guidance scale.

    unlocks: how guidance enters
    gives: w, of the shape of alpha
    """

    def __call__(self, alpha: Array, *, generated: int, unconditional: int) -> Array: ...


class LearningRate(Protocol):
    """The rate of an update, counted from 0.

    unlocks: warm-up and what follows it
    gives: a number
    """

    def __call__(
        self, step: int, *, base: float, warmup_steps: int, total_steps: int, kind: str
    ) -> float: ...


class QueueAfterResume(Protocol):
    """What each class of a sample queue holds after its state was saved and loaded again.

    unlocks: that a resumed run goes on with the samples it had
    gives: counts [classes] after pushing the samples in their order, saving and loading
    """

    def __call__(
        self, samples: Array, labels: Integers, *, classes: int, capacity: int
    ) -> Integers: ...


class AttentionLogits(Protocol):
    """Attention logits of queries and keys [B, N, heads, d], gains of one, no rotation.

    unlocks: the form of QK-norm and the factor of the logits
    gives: [B, heads, N, N]
    """

    def __call__(self, q: Array, k: Array) -> Array: ...


class Rotated(Protocol):
    """Rotary embedding of x [B, N, heads, d], N tokens counted from the first register.

    unlocks: which coordinates are paired, the base, which tokens are rotated
    gives: [B, N, heads, d]
    """

    def __call__(self, x: Array) -> Array: ...


class StyleEmbedding(Protocol):
    """Part of the condition that style codes [B, tokens] give, in a model drawn anew.

    unlocks: whether each token has a table of its own
    gives: [B, width]
    """

    def __call__(self, style: Integers) -> Array: ...


class StyleUnlessAsked(Protocol):
    """Style codes that its sampler uses for a batch when it is given none.

    unlocks: "style index 0 unless asked"
    gives: integers [batch, tokens]; drawn ones differ from call to call
    """

    def __call__(self, batch: int, tokens: int, codes: int) -> Integers: ...


class SampledWeights(Protocol):
    """Which weights its sampler generates with: the raw ones, or their average (EMA).

    unlocks: "samples with raw weights"
    gives: the array that ends up in the model, one of the two
    """

    def __call__(self, raw: Array, ema: Array) -> Array: ...


class AlphaEmbedding(Protocol):
    """Part of the condition that guidance scales [B] give, in a model drawn anew.

    unlocks: the sinusoid, the norm and the factor of the embedding of alpha
    gives: [B, width]
    """

    def __call__(self, alpha: Array) -> Array: ...


class ClassEmbedding(Protocol):
    """The table of class embeddings of a model drawn anew.

    unlocks: its initial standard deviation
    gives: [classes, width], at least 1,000 numbers
    """

    def __call__(self) -> Array: ...


class HeadOutput(Protocol):
    """The head on tokens [B, N, width] under a condition [B, width], its parameters moved.

    unlocks: whether the condition shifts and scales before the last linear map
    gives: [B, N, values]; the same parameters at every call, none of them zero
    """

    def __call__(self, tokens: Array, condition: Array) -> Array: ...


class InitialSamples(Protocol):
    """Samples of a model drawn anew from noise [B, 4, 8, 8] or what it takes, of its choice.

    unlocks: whether the head starts at zero
    gives: samples of B = `batch`
    """

    def __call__(self, batch: int) -> Array: ...


class EncoderNorm(Protocol):
    """The first norm of its encoder on maps [B, C, H, W] of C channels, gains of one.

    unlocks: the number of groups and the eps
    gives: [B, C, H, W]
    """

    def __call__(self, x: Array) -> Array: ...


class EncoderStages(Protocol):
    """The maps of the encoder's stages, deepest last, of a model drawn anew.

    unlocks: whether a stage ends in a norm
    gives: list of [B, C, H, W]
    """

    def __call__(self, batch: int) -> list[Array]: ...


class InputStatistic(Protocol):
    """The statistic of the encoder's input x [B, C, H, W] among the features.

    unlocks: its root and its eps
    gives: [B, C]
    """

    def __call__(self, x: Array) -> Array: ...
