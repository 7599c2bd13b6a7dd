"""The networks behind the extractors, as torch-fidelity's feature extractors.

They are registered with torch-fidelity, so `torch_fidelity.calculate_metrics(feature_extractor=
"drift-tiny", feature_extractor_weights_path=...)` runs the very same code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torch_fidelity import register_feature_extractor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from drift.evaluate.kinds import Kind

STAGES = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1"),
    *("Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d"),
    *("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c"),
)
HALF_RANGE = 128.0
HEAD_GAIN = 100.0  # of the tiny network: its logits then tell images apart


class ReferenceInception(FeatureExtractorInceptionV3):  # type: ignore[misc]
    """The FID InceptionV3 of 2015-12-05 behind the reference's resize (specs/golden/metrics).

    The reference samples at half-pixel centres, as the TorchScript port does; torch-fidelity, like
    TensorFlow 1, at the upper left corners. On an image that is not 299 x 299 the features differ.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """uint8 [B, 3, H, W] -> the requested layers out of `2048` and `logits_unbiased`."""
        x = normalised(resize_299(x.to(self.feature_extractor_internal_dtype)))
        for stage in STAGES:
            x = getattr(self, stage)(x)
        pooled = torch.flatten(self.AvgPool(x), 1)
        found = {"2048": pooled, "logits_unbiased": pooled @ self.fc.weight.T}
        return tuple(found[name].float() for name in self.features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return "2048", "logits_unbiased"


class TensorflowInception(FeatureExtractorInceptionV3):  # type: ignore[misc]
    """torch-fidelity's own extractor, with TensorFlow 1's resize, under a name that says so."""


class Tiny(FeatureExtractorBase):  # type: ignore[misc]
    """Two small convolutions on [B, 3, H, W]: 16 pooled features and 10 logits.

    For tests and for trying out the pipeline: quick, and wrong for everything else.
    """

    WIDTH, CLASSES = 16, 10

    def __init__(
        self,
        name: str,
        features_list: list[str],
        feature_extractor_weights_path: str | None = None,
        **unused: Any,
    ) -> None:
        super().__init__(name, features_list)
        # As torch makes them, layers draw from its own stream.
        made: Any = nn.utils.skip_init
        half = self.WIDTH // 2
        self.first = made(nn.Conv2d, 3, half, 3, stride=2, padding=1)
        self.second = made(nn.Conv2d, half, self.WIDTH, 3, stride=2, padding=1)
        self.head = made(nn.Linear, self.WIDTH, self.CLASSES)
        if feature_extractor_weights_path is not None:
            self.load_state_dict(load_file(feature_extractor_weights_path), strict=True)
        else:  # memory as it was found is nobody's weights
            for parameter in self.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """uint8 [B, 3, H, W] -> the requested layers."""
        x = functional.relu(self.first(normalised(x.float())))
        pooled = functional.relu(self.second(x)).mean(dim=(2, 3))
        found = {"pool": pooled, "logits": self.head(pooled)}
        return tuple(found[name] for name in self.features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return "pool", "logits"

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "logits" if metric == "isc" else "pool"

    @staticmethod
    def can_be_compiled() -> bool:
        return False


def resize_299(x: Tensor) -> Tensor:
    """float [B, 3, H, W] -> [B, 3, 299, 299], bilinear at half-pixel centres, no antialiasing."""
    side = FeatureExtractorInceptionV3.INPUT_IMAGE_SIZE
    return functional.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)


def normalised(x: Tensor) -> Tensor:
    """Bytes as floats -> about [-1, 1]."""
    return (x - HALF_RANGE) / HALF_RANGE


def write_tiny(path: Path, seed: int) -> None:
    """Random weights of a Tiny network."""
    drawn = torch.Generator().manual_seed(seed)
    weights = {}
    for name, parameter in Tiny("drift-tiny", ["pool"]).named_parameters():
        fan_in = max(1, parameter[0].numel())
        gain = HEAD_GAIN if name.startswith("head") else 2.0
        weights[name] = torch.randn(parameter.shape, generator=drawn) * (gain / fan_in) ** 0.5
    save_file(weights, path)


def create(kind: Kind, name: str, weights: Path) -> FeatureExtractorBase:
    """The network of a kind with its weights, frozen, in evaluation mode."""
    layers = [layer for layer in (kind.pool, kind.logits) if layer is not None]
    network: FeatureExtractorBase = NETWORKS[kind.network](
        name, layers, feature_extractor_weights_path=str(weights)
    )
    return network.requires_grad_(False).eval()


NETWORKS = {
    "ReferenceInception": ReferenceInception,
    "TensorflowInception": TensorflowInception,
    "Tiny": Tiny,
}
register_feature_extractor("drift-fid-inception", ReferenceInception)
register_feature_extractor("drift-tiny", Tiny)
