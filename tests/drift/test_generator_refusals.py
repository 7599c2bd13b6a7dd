"""Configurations and inputs that the generator refuses, each by name."""

from __future__ import annotations

from typing import Any

import pytest

from drift.errors import InputError
from drift.generator import Generator, GeneratorConfig
from tests.drift.test_generator import SMALL, changed, inputs


@pytest.mark.parametrize(
    ("place", "field", "message"),
    [
        (0, lambda x: x.permute(0, 2, 3, 1), r"noise: found shape \(2, 8, 8, 3\); expected shape"),
        (0, lambda x: x.double(), "noise: found torch.float64; expected torch.float32"),
        (0, lambda x: x.bfloat16(), "noise: found torch.bfloat16; expected torch.float32"),
        (1, lambda x: x[:1], r"labels: found shape \(1,\); expected shape \[2\]"),
        (1, lambda x: x + 5, "labels: found values from . to .; expected 0 to 4"),
        (1, lambda x: x - 5, "labels: found values from -. to -.; expected 0 to 4"),
        (1, lambda x: x.float(), "labels: found torch.float32; expected torch.int64"),
        (2, lambda x: x[:, None], r"alpha: found shape \(2, 1\); expected shape \[2\]"),
        (2, lambda x: x.long(), "alpha: found torch.int64; expected floating"),
        (3, lambda x: x[:, :2], r"style: found shape \(2, 2\); expected shape \[2, 3\]"),
        (3, lambda x: x + 4, "style: found values from . to .; expected 0 to 3"),
        (3, lambda x: x.bool(), "style: found torch.bool; expected torch.int64"),
    ],
)
def test_a_wrong_input_is_refused_by_name(place: int, field: Any, message: str) -> None:
    given = list(inputs(SMALL))
    given[place] = field(given[place])
    with pytest.raises(InputError, match=message):
        Generator(SMALL)(*given)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": 0}, "depth: found 0; expected a whole number of at least 1"),
        ({"depth": True}, "depth: found True; expected a whole number"),
        ({"hidden_dim": 32.0}, "hidden_dim: found 32.0; expected a whole number"),
        (
            {"register_tokens": -1},
            "register_tokens: found -1; expected a whole number of at least",
        ),
        ({"rope": 1}, "rope: found 1; expected True or False"),
        ({"mlp_ratio": float("nan")}, "mlp_ratio: found nan; expected a finite number"),
        ({"mlp_ratio": 0.01}, "mlp_ratio: found 0.01; expected one that leaves the MLP a width"),
        ({"patch_size": 3}, "input_size: found 8; expected a multiple of patch_size = 3"),
        ({"num_heads": 3}, "hidden_dim: found 32; expected a multiple of num_heads = 3"),
        ({"hidden_dim": 30, "num_heads": 1}, "hidden_dim: found 30; expected a multiple of 4"),
        ({"num_heads": 32}, "hidden_dim / num_heads: found 1; expected a multiple of 2"),
    ],
)
def test_an_impossible_configuration_is_refused_by_field(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        changed(**fields)


def test_unknown_and_missing_reference_keys_are_named_together() -> None:
    given = SMALL.to_reference()
    given["n_experts"] = 2
    del given["depth"]
    with pytest.raises(InputError, match=r"unknown keys \['n_experts'\], missing keys \['depth'\]"):
        GeneratorConfig.from_reference(given)


def test_a_configuration_survives_the_reference_spelling() -> None:
    config = changed(rope=False, bfloat16=True, mlp_ratio=2.0, checkpointing=True)
    assert GeneratorConfig.from_reference(config.to_reference()) == config


def test_absent_optional_keys_take_their_defaults() -> None:
    given = {
        key: value
        for key, value in SMALL.to_reference().items()
        if key not in ("mlp_ratio", "use_remat")
    }
    config = GeneratorConfig.from_reference(given)
    assert (config.mlp_ratio, config.checkpointing) == (4.0, False)
