"""From samples to the loss: frozen encoders, their dictionary of features, the drifting loss on it.

Shapes: B labels, G generated samples of each, label-major, so that sample b G + g belongs to label
b; P positives and N unconditional samples of each label; L locations and D channels of a feature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from drift import convnext, loss, spans, trace
from drift.convnext import ConvNextFeatures
from drift.encoder import MaskedAutoencoder, layers
from drift.errors import InputError
from drift.remembered import Encoders, Remembered
from drift.totals import ProcessGroup

# The paper's inventory of a feature map (A.5), its letters and explicit names for them.
INVENTORY = {
    "a": "locations",  # one vector per position of the map
    "b": "map_statistics",  # mean and deviation over the whole map
    "c": "patch_2",  # means and deviations over 2x2 patches
    "d": "patch_4",  # means and deviations over 4x4 patches
}
VANILLA = "global"  # the flattened raw sample: the drifting loss without an encoder
INPUT_STATISTIC = "norm_x"
PATCH_ENTRY = re.compile(r"_(mean|std)_\d+$")
ACTIVATION_KWARGS = (
    "every_k_block",
    "patch_mean_size",
    "patch_std_size",
    "use_mean",
    "use_std",
)

Frozen = TypeVar("Frozen", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureConfig:
    """Which entries of the dictionary the loss uses; by default all of the reference's.

    every_k_block, patch_mean_size, patch_std_size, use_mean, use_std
                     as in MaskedAutoencoder.activations; the last two hold for the second encoder
                     as well, which has no such switches in the reference
    locations        the positions of the maps
    vanilla          the term `global`
    input_statistic  the term `norm_x`
    without          names of single entries to leave out
    encoders         whether encoders are asked at all; without them only `global` is left: the
                     drifting loss on raw samples, which features have to beat
    """

    every_k_block: float | None = 2
    patch_mean_size: tuple[int, ...] = (2, 4)
    patch_std_size: tuple[int, ...] = (2, 4)
    use_mean: bool = True
    use_std: bool = True
    locations: bool = True
    vanilla: bool = True
    input_statistic: bool = True
    without: frozenset[str] = frozenset()
    encoders: bool = True

    @classmethod
    def from_inventory(cls, letters: str, **others: Any) -> FeatureConfig:
        """The parts of a map that the paper's letters name, such as "a,b" or "a-c" (A.5)."""
        parts = inventory_of(letters)
        sides = tuple(side for side in (2, 4) if f"patch_{side}" in parts)
        return cls(
            locations="locations" in parts,
            use_mean="map_statistics" in parts,
            use_std="map_statistics" in parts,
            patch_mean_size=sides,
            patch_std_size=sides,
            **others,
        )

    @classmethod
    def from_activation_kwargs(cls, kwargs: Mapping[str, Any], **others: Any) -> FeatureConfig:
        """From the reference's `activation_kwargs`; raises InputError for an unknown one."""
        unknown = sorted(set(kwargs) - set(ACTIVATION_KWARGS))
        if unknown:
            raise InputError(
                "FeatureConfig.from_activation_kwargs",
                found=unknown,
                expected=f"keys out of {', '.join(ACTIVATION_KWARGS)}",
            )
        given = dict(kwargs)
        for key in ("patch_mean_size", "patch_std_size"):
            if key in given:
                given[key] = tuple(given[key] or ())
        return cls(**given, **others)

    def activation_kwargs(self) -> dict[str, Any]:
        """Keyword arguments of MaskedAutoencoder.activations."""
        return {key: getattr(self, key) for key in ACTIVATION_KWARGS}

    def keeps(self, name: str) -> bool:
        """Whether the entry called `name` is used."""
        if name in self.without:
            return False
        if name in (VANILLA, INPUT_STATISTIC):
            return self.vanilla if name == VANILLA else self.input_statistic
        if name.endswith("_mean"):
            return self.use_mean
        if name.endswith("_std"):
            return self.use_std
        return self.locations or PATCH_ENTRY.search(name) is not None


def inventory_of(letters: str) -> frozenset[str]:
    """The paper's shorthand, such as "a,b", "a-c" or "abd" -> names of the inventory."""
    chosen: set[str] = set()
    for item in re.findall(r"\S-\S|\S", letters.replace(",", " ")):
        first, last = item[0], item[-1]
        span = [letter for letter in INVENTORY if first <= letter <= last]
        if first not in INVENTORY or last not in INVENTORY or not span:
            raise InputError(
                "inventory_of", found=repr(letters), expected="letters a to d, as in 'a,b' or 'a-c'"
            )
        chosen.update(INVENTORY[letter] for letter in span)
    return frozenset(chosen)


class FeatureExtractor(nn.Module):
    """Frozen encoders and the dictionary of features that they give for a sample.

    encoder  its parameters are frozen here, and it stays in evaluation mode
    second   the second encoder of the pixel columns, for samples in [-1, 1] with three channels
    """

    def __init__(
        self,
        encoder: MaskedAutoencoder,
        second: ConvNextFeatures | None = None,
        *,
        config: FeatureConfig | None = None,
    ) -> None:
        super().__init__()
        self.config = config or FeatureConfig()
        self.encoder = freeze(encoder)
        self.second = None if second is None else freeze(second)
        self.eval()

    def train(self, mode: bool = True) -> FeatureExtractor:
        """Frozen: stays in evaluation mode whatever is asked for."""
        return super().train(False)

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        """samples [M, C, H, W] -> name -> [M, L, D], in the reference's order.

        `global`, the entries of the masked autoencoder, then those of the second encoder; the
        gradient reaches the samples, never a parameter.
        """
        entries = {VANILLA: flat_sample(samples)}
        if not self.config.encoders:
            return entries
        entries |= self.encoder.activations(samples, **self.config.activation_kwargs())
        if self.second is not None:
            entries |= self.second.activations(convnext.imagenet(samples))
        return {name: value for name, value in entries.items() if self.config.keeps(name)}


def freeze(module: Frozen) -> Frozen:
    """Evaluation mode, no gradient for parameters.

    Convolutions of a bfloat16 encoder are stored in bfloat16, to which they would be cast at every
    call: the features are the same, bit for bit, in half the memory.
    """
    module.requires_grad_(False).eval()
    if isinstance(module, MaskedAutoencoder) and module.config.bfloat16:
        for part in module.modules():
            if isinstance(part, layers.Conv):
                part.to(torch.bfloat16)
    return module


def flat_sample(samples: Tensor) -> Tensor:
    """[M, C, H, W] -> [M, 1, H*W*C], channels last."""
    return samples.permute(0, 2, 3, 1).flatten(1).unsqueeze(1)


def sample_loss(
    extractor: FeatureExtractor,
    samples: Tensor,
    positives: Tensor,
    unconditional: Tensor | None,
    alpha: Tensor,
    *,
    temperatures: Sequence[float] = (0.02, 0.05, 0.2),
    semantics: str = "reference",
    chunk: int | None = None,
    group: ProcessGroup | None = None,
    counted: int | None = None,
    kernel: str = "plain",
    remembered: Remembered | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The drifting loss of generated samples on all features -> (scalar, info of feature_loss).

    samples        [B*G, C, H, W], label-major; the gradient reaches them and nothing else
    positives      [B, P, C, H, W]; unconditional [B, N, C, H, W] or None; alpha [B]
    chunk          real samples that go through the encoders at once; None: all
    group          the processes that hold the labels between them, as in feature_loss
    counted        with a group: how many of the labels, from the first, are in the loss; the others
                   stay in the graph, with a gradient of zero. None: all
    kernel         as in feature_loss
    remembered     as in real_features
    The loss is computed in float32 (float64 for float64 features), outside of autocast. A trace
    has the features under `feat_gen/<name>` [B*G, L, D] and `feat_posneg/<name>` [B, P+N, L, D].
    """
    _check_groups(samples, positives, alpha)
    gen = generated_features(extractor, samples, labels=len(alpha))
    real = real_features(extractor, positives, unconditional, chunk=chunk, remembered=remembered)
    with spans.span("loss"), layers.without_autocast(samples):
        return loss.feature_loss(
            first_labels(gen, counted),
            first_labels(real, counted),
            alpha[:counted],
            positives=positives.shape[1],
            temperatures=temperatures,
            semantics=semantics,
            group=group,
            kernel=kernel,
        )


def first_labels(found: Mapping[str, Tensor], count: int | None) -> dict[str, Tensor]:
    """Features [B, ...] by name -> those of the first labels; None: of all."""
    return {name: value[:count] for name, value in found.items()}


@spans.span("encode_generated")
def generated_features(
    extractor: FeatureExtractor, samples: Tensor, *, labels: int
) -> dict[str, Tensor]:
    """samples [B*G, C, H, W], label-major -> name -> [B, G, L, D], with gradient."""
    with trace.scope("feat_gen"):
        flat = extractor(samples)
        _record(flat)
    return {name: by_label(value, labels) for name, value in flat.items()}


@spans.span("encode_real")
def real_features(
    extractor: FeatureExtractor,
    positives: Tensor,
    unconditional: Tensor | None,
    *,
    chunk: int | None = None,
    remembered: Remembered | None = None,
) -> dict[str, Tensor]:
    """[B, P, C, H, W] and [B, N, C, H, W] -> name -> [B, P + N, L, D], without gradient.

    remembered  of this extractor: asked instead of it, in pieces of its own, but while stages are
                recorded
    """
    real = positives if unconditional is None else torch.cat([positives, unconditional], dim=1)
    images = real.flatten(0, 1)
    asked: Encoders = extractor
    size = chunk or len(images)
    if remembered is not None and not trace.active():
        asked, size = remembered, len(images)
    with without_gradient(), trace.scope("feat_posneg"):
        pieces = [asked(piece) for piece in split(images, size)]
        features = {
            name: by_label(torch.cat([piece[name] for piece in pieces]), len(real))
            for name in pieces[0]
        }
        _record(features)
    return features


def without_gradient() -> AbstractContextManager[object]:
    """Real features are constants of the loss."""
    return torch.no_grad()


def split(images: Tensor, size: int) -> tuple[Tensor, ...]:
    """Consecutive pieces of at most `size` images."""
    return torch.split(images, size)


def by_label(values: Tensor, labels: int) -> Tensor:
    """[B*K, L, D], label-major -> [B, K, L, D]."""
    return values.reshape(labels, -1, *values.shape[1:])


def _record(features: dict[str, Tensor]) -> None:
    for name, value in features.items():
        trace.record(name, value)


def _check_groups(samples: Tensor, positives: Tensor, alpha: Tensor) -> None:
    labels = alpha.shape[0] if alpha.ndim == 1 else 0
    if labels == 0 or len(samples) % labels or len(positives) != labels:
        raise InputError(
            "sample_loss",
            found=f"{len(samples)} samples, positives of {len(positives)} labels, alpha of shape "
            f"{tuple(alpha.shape)}",
            expected="alpha [B], positives [B, P, C, H, W] and B*G samples, label by label",
        )
