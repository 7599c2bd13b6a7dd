"""The protocol, continued: guidance, schedule, queue, evaluation, sampler, generator, encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


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


class QueueAfterPush(Protocol):
    """What a queue of samples holds after each of several batches, pushed in this order.

    unlocks: which samples a full class drops
    gives: slots [classes, capacity, ...], zero where never filled, and counts [classes]
    """

    def __call__(
        self, batches: Sequence[Array], labels: Sequence[Integers], *, classes: int, capacity: int
    ) -> tuple[Array, Integers]: ...


class FrechetDistance(Protocol):
    """The Frechet distance of two Gaussians, as its evaluation computes FID.

    unlocks: that means and whole covariances enter, also rank-deficient ones
    gives: a number
    """

    def __call__(
        self, mean: Array, covariance: Array, other_mean: Array, other_covariance: Array
    ) -> float: ...


class PrecisionRecall(Protocol):
    """Precision and recall of generated features [M, D] against real ones [N, D].

    unlocks: whose neighbours make which ball, and how many of them
    gives: the two shares, precision first
    """

    def __call__(self, generated: Array, real: Array) -> tuple[float, float]: ...


class Generator(Protocol):
    """The whole generator: parameters and inputs in, samples out.

    unlocks: the samples of every recorded generator, whatever led to them
    gives: samples [B, C, H, W] of noise [B, C, H, W], labels [B], alpha [B] and style [B, tokens]
    """

    def __call__(
        self,
        params: Mapping[str, Array],
        config: Mapping[str, Any],
        noise: Array,
        labels: Integers,
        alpha: Array,
        style: Integers,
    ) -> Array: ...


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


class Encoder(Protocol):
    """The whole feature encoder: parameters and images in, all its activations out.

    unlocks: the activations of every recorded encoder; one that is not there is MISSING
    gives: activation name -> [B, L, D] of images x [B, C, H, W]
    """

    def __call__(
        self,
        params: Mapping[str, Array],
        config: Mapping[str, Any],
        x: Array,
        *,
        every_k_block: int,
        patch_mean_size: Sequence[int],
        patch_std_size: Sequence[int],
        use_mean: bool,
        use_std: bool,
    ) -> Mapping[str, Array]: ...


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
