"""Masked autoencoder whose ResNet encoder gives the features of the drifting loss (paper A.3, A.5).

`EncoderConfig` says what to build, `MaskedAutoencoder` is the model; method.md sections 3 and 4.
"""

from drift.encoder.config import EncoderConfig
from drift.encoder.masking import draw_mask, mask_from_uniform
from drift.encoder.model import MaskedAutoencoder

__all__ = ["EncoderConfig", "MaskedAutoencoder", "draw_mask", "mask_from_uniform"]
