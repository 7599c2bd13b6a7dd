"""What a generator is built from, and how the reference spells it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from drift.errors import InputError

SWIGLU_SHARE = 2 / 3  # of the plain width: three linears then cost what two did
WIDTH_MULTIPLE = 32

# Field of GeneratorConfig -> key of the reference's `model_config`.
REFERENCE_KEYS = {
    "input_size": "input_size",
    "in_channels": "in_channels",
    "out_channels": "out_channels",
    "patch_size": "patch_size",
    "hidden_dim": "hidden_size",
    "depth": "depth",
    "num_heads": "num_heads",
    "cond_dim": "cond_dim",
    "num_classes": "num_classes",
    "style_tokens": "noise_coords",
    "style_codes": "noise_classes",
    "register_tokens": "n_cls_tokens",
    "mlp_ratio": "mlp_ratio",
    "rmsnorm": "use_rmsnorm",
    "qk_norm": "use_qknorm",
    "rope": "use_rope",
    "swiglu": "use_swiglu",
    "bfloat16": "use_bf16",
    "attention_fp32": "attn_fp32",
    "checkpointing": "use_remat",
}
# Left out of some published configurations; what they then mean is the default of the field.
OPTIONAL_REFERENCE_KEYS = ("mlp_ratio", "use_remat")
WHOLE_NUMBERS = (
    "input_size",
    "in_channels",
    "out_channels",
    "patch_size",
    "hidden_dim",
    "depth",
    "num_heads",
    "cond_dim",
    "num_classes",
)
COUNTS = ("style_tokens", "style_codes", "register_tokens")  # may be zero
SWITCHES = ("rmsnorm", "qk_norm", "rope", "swiglu", "bfloat16", "attention_fp32", "checkpointing")


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """A DiT generator (paper A.2, Table 8; reference models/generator.py, configs/gen/*.yaml).

    input_size       side of the square sample, in latent cells or pixels
    in_channels      channels of the noise; out_channels those of the sample
    patch_size       side of a patch; divides input_size
    hidden_dim       width of a token; depth: blocks; num_heads: attention heads
    cond_dim         width of the conditioning vector
    num_classes      rows of the class embedding
    style_tokens     style codes of a sample, each looked up in a table of its own
    style_codes      rows of each style table; 0: there are no tables, and codes mean nothing
    register_tokens  tokens in front of the patches
    mlp_ratio        inner width of a plain MLP over hidden_dim; SwiGLU takes 2/3 of it
    rmsnorm          affine RMSNorm; False: LayerNorm without affine
    qk_norm          per-head affine norm of queries and keys
    rope             1-D rotary embedding over all tokens
    swiglu           gated MLP; False: GELU
    bfloat16         activations in bfloat16; the parameters, the statistics of norms and adaLN
                     stay float32
    attention_fp32   under bfloat16: rotate and attend in float32
    checkpointing    recompute each block in the backward pass instead of keeping its activations
    """

    input_size: int
    in_channels: int
    out_channels: int
    patch_size: int
    hidden_dim: int
    depth: int
    num_heads: int
    cond_dim: int
    num_classes: int
    style_tokens: int = 32
    style_codes: int = 64
    register_tokens: int = 16
    mlp_ratio: float = 4.0
    rmsnorm: bool = True
    qk_norm: bool = True
    rope: bool = True
    swiglu: bool = True
    bfloat16: bool = False
    attention_fp32: bool = True
    checkpointing: bool = False

    def __post_init__(self) -> None:
        for name in WHOLE_NUMBERS:
            _whole(name, getattr(self, name), least=1)
        for name in COUNTS:
            _whole(name, getattr(self, name), least=0)
        for name in SWITCHES:
            _boolean(name, getattr(self, name))
        _positive_number("mlp_ratio", self.mlp_ratio)
        _divides("patch_size", self.patch_size, "input_size", self.input_size)
        _divides("num_heads", self.num_heads, "hidden_dim", self.hidden_dim)
        _divides("4 (two axes, sine and cosine)", 4, "hidden_dim", self.hidden_dim)
        if self.rope:
            _divides("2 (rotary pairs)", 2, "hidden_dim / num_heads", self.head_dim)
        if self.mlp_width < 1:
            raise InputError(
                "GeneratorConfig.mlp_ratio",
                found=self.mlp_ratio,
                expected="one that leaves the MLP a width of at least 1",
            )

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_dim // self.num_heads

    @property
    def style_tables(self) -> int:
        """Style tables: one for each style token, or none where a table would have no rows."""
        return self.style_tokens if self.style_codes else 0

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.input_size // self.patch_size

    @property
    def mlp_width(self) -> int:
        """Inner width of the MLP of a block."""
        plain = int(self.hidden_dim * self.mlp_ratio)
        return swiglu_width(plain) if self.swiglu else plain

    @classmethod
    def from_reference(cls, model_config: Mapping[str, Any]) -> GeneratorConfig:
        """The configuration that the reference calls `model_config`.

        Raises InputError for an unknown or missing key and for a value that cannot be meant.
        """
        given = dict(model_config)
        unknown = sorted(set(given) - set(REFERENCE_KEYS.values()))
        required = set(REFERENCE_KEYS.values()) - set(OPTIONAL_REFERENCE_KEYS)
        missing = sorted(required - set(given))
        if unknown or missing:
            raise InputError(
                "GeneratorConfig.from_reference",
                found=f"unknown keys {unknown}, missing keys {missing}",
                expected=f"the keys {sorted(required)} and, if wanted, "
                f"{sorted(OPTIONAL_REFERENCE_KEYS)}",
            )
        return cls(**{ours: given[key] for ours, key in REFERENCE_KEYS.items() if key in given})

    def to_reference(self) -> dict[str, Any]:
        """The same configuration under the reference's keys."""
        return {REFERENCE_KEYS[f.name]: getattr(self, f.name) for f in fields(self)}


def code_values(style_codes: int) -> int:
    """How many values a style code is drawn from: without tables it is always 0."""
    return max(style_codes, 1)


def swiglu_width(plain: int) -> int:
    """int(2/3 of the plain width) rounded up to a multiple of 32 (models/generator.py:266-272)."""
    return math.ceil(int(SWIGLU_SHARE * plain) / WIDTH_MULTIPLE) * WIDTH_MULTIPLE


def _whole(name: str, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(
            f"GeneratorConfig.{name}",
            found=repr(value),
            expected=f"a whole number of at least {least}",
        )


def _boolean(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InputError(f"GeneratorConfig.{name}", found=repr(value), expected="True or False")


def _positive_number(name: str, value: object) -> None:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not (numeric and math.isfinite(value) and value > 0):  # type: ignore[arg-type, operator]
        raise InputError(
            f"GeneratorConfig.{name}", found=repr(value), expected="a finite number above zero"
        )


def _divides(divisor_name: str, divisor: int, name: str, value: int) -> None:
    if value % divisor:
        shown = divisor_name if divisor_name[0].isdigit() else f"{divisor_name} = {divisor}"
        raise InputError(f"GeneratorConfig.{name}", found=value, expected=f"a multiple of {shown}")
