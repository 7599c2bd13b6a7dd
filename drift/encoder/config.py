"""What a masked autoencoder is built from, and how the reference spells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from drift.errors import InputError

STAGES = 4

# Key of the reference's `model_config` -> field of EncoderConfig.
REFERENCE_KEYS = {
    "num_classes": "num_classes",
    "in_channels": "in_channels",
    "base_channels": "base_channels",
    "layers": "blocks",
    "patch_size": "mask_patch",
    "input_patch_size": "input_patch",
    "use_bf16": "bfloat16",
}
REQUIRED_REFERENCE_KEYS = ("in_channels", "base_channels", "layers")


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """A masked autoencoder (paper A.3, Table 8; reference models/mae_model.py).

    in_channels    channels of a sample: 4 for latents, 3 for pixels
    base_channels  C; the four stages have C, 2C, 4C and 8C channels
    blocks         basic blocks per stage
    mask_patch     side of the squares that are masked together, on the patchified grid
    input_patch    p; the input is cut into p x p patches first (1: latents, 8: pixels)
    num_classes    classes of the linear head of the fine-tuning loss
    bfloat16       convolutions and activations in bfloat16; parameters, norms' statistics and
                   every `_std` feature stay float32
    trunk_only     build the encoder without decoder and linear head; it gives features but no loss
    """

    in_channels: int = 4
    base_channels: int = 256
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    mask_patch: int = 2
    input_patch: int = 1
    num_classes: int = 1000
    bfloat16: bool = False
    trunk_only: bool = False

    def __post_init__(self) -> None:
        names = ("in_channels", "base_channels", "mask_patch", "input_patch", "num_classes")
        for name in names:
            _positive(name, getattr(self, name))
        if len(self.blocks) != STAGES:
            raise InputError(
                "EncoderConfig.blocks",
                found=self.blocks,
                expected=f"{STAGES} numbers, the blocks of each stage",
            )
        for number in self.blocks:
            _positive("blocks", number)
        for name in ("bfloat16", "trunk_only"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"EncoderConfig.{name}", found=repr(getattr(self, name)), expected="a boolean"
                )
        if not (self.trunk_only or decoder_possible(self.base_channels)):
            raise InputError(
                "EncoderConfig.base_channels",
                found=self.base_channels,
                expected="a multiple of 32, the groups of the decoder's normalisation",
                remedy="Choose another width, or trunk_only=True for features without a loss.",
            )

    @property
    def input_channels(self) -> int:
        """Channels after the patchify, p * p * in_channels."""
        return self.input_patch**2 * self.in_channels

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the four stages: C, 2C, 4C, 8C."""
        return tuple(self.base_channels * 2**stage for stage in range(STAGES))

    @classmethod
    def from_reference(cls, model_config: Mapping[str, Any]) -> EncoderConfig:
        """The configuration that the reference calls `model_config`.

        A width that its decoder cannot have (not a multiple of 32) gives the trunk alone, as there.
        Raises InputError for an unknown or missing key and for a value that cannot be meant.
        """
        given = dict(model_config)
        _refuse_dropout(given.pop("dropout_prob", 0.0))
        unknown = sorted(set(given) - set(REFERENCE_KEYS))
        missing = sorted(set(REQUIRED_REFERENCE_KEYS) - set(given))
        if unknown or missing:
            raise InputError(
                "EncoderConfig.from_reference",
                found=f"unknown keys {unknown}, missing keys {missing}",
                expected=f"the keys {sorted((*REFERENCE_KEYS, 'dropout_prob'))}, "
                f"at least {sorted(REQUIRED_REFERENCE_KEYS)}",
            )
        fields = {REFERENCE_KEYS[key]: value for key, value in given.items()}
        fields["blocks"] = _whole_numbers(fields["blocks"])
        width = fields["base_channels"]
        _positive("base_channels", width)
        return cls(**fields, trunk_only=not decoder_possible(width))

    def to_reference(self) -> dict[str, Any]:
        """The same configuration under the reference's keys, which cannot say `trunk_only`."""
        given = {key: getattr(self, field) for key, field in REFERENCE_KEYS.items()}
        return given | {"layers": list(self.blocks)}

    def trunk(self) -> EncoderConfig:
        """The same encoder without decoder and linear head."""
        return replace(self, trunk_only=True)


def decoder_possible(base_channels: int) -> bool:
    """Whether the decoder's GroupNorm(32) divides every concatenation, each a multiple of C."""
    return base_channels % 32 == 0


def _positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(
            f"EncoderConfig.{name}", found=repr(value), expected="a whole number of at least 1"
        )


def _whole_numbers(value: object) -> tuple[int, ...]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise InputError(
            "EncoderConfig.from_reference: layers", found=repr(value), expected="a list of numbers"
        )
    return tuple(value)


def _refuse_dropout(probability: object) -> None:
    if probability != 0:
        raise InputError(
            "EncoderConfig.from_reference: dropout_prob",
            found=repr(probability),
            expected="0, as in every published configuration; dropout is not part of the method",
        )
