"""The layouts of the two encoders: names, shapes, totals, round trips, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from drift.convnext import BASE, TINY, ConvNextConfig, ConvNextFeatures
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.interop.encoder_layout import (
    convnext_state_dict,
    convnext_to_reference,
    encoder_entries,
    encoder_state_dict,
    encoder_to_reference,
    trunk_parameters,
)
from drift.interop.layout import LayoutError

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
CONFIGURATIONS = ("mae_latent_ablation_256", "mae_latent_640", "mae_pixel_640")
SMALL = EncoderConfig.from_reference(
    json.loads((GOLDEN / "mae_small_params.json").read_text())["model_config"]
)


def record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return found


def recorded_parameters(file: str) -> dict[str, Tensor]:
    arrays = load_file(GOLDEN / f"{file}.safetensors")
    return {k.removeprefix("params/"): v for k, v in arrays.items() if k.startswith("params/")}


def test_the_three_configurations_map_one_to_one_without_allocating() -> None:
    for name in CONFIGURATIONS:
        listed = record(f"params_{name}")
        config = EncoderConfig.from_reference(listed["model_config"])
        model = MaskedAutoencoder(config, device="meta")
        given = {path: torch.empty(s, device="meta") for path, s in listed["params"].items()}
        state = encoder_state_dict(given, config)
        shapes = {key: value.shape for key, value in model.state_dict().items()}
        assert {key: value.shape for key, value in state.items()} == shapes
        parts = {
            part: sum(p.numel() for n, p in model.named_parameters() if n.startswith(part))
            for part in ("encoder.", "decoder.", "classifier.")
        }
        assert sum(parts.values()) == listed["param_count"]
        assert parts["encoder."] == listed["param_count_encoder"]
        assert parts["decoder."] == listed["param_count_decoder"]
        assert parts["classifier."] == listed["param_count_fc"]


@pytest.mark.parametrize(("name", "config"), [("tiny", TINY), ("base", BASE)])
def test_convnext_maps_one_to_one(name: str, config: ConvNextConfig) -> None:
    listed = record(f"params_convnext_{name}")
    with torch.device("meta"):
        model = ConvNextFeatures(config)
    given = {path: torch.empty(s, device="meta") for path, s in listed["params"].items()}
    state = convnext_state_dict(given, config)
    assert {k: v.shape for k, v in state.items()} == {
        k: v.shape for k, v in model.state_dict().items()
    }
    assert sum(p.numel() for p in model.parameters()) == listed["param_count"]


def test_the_autoencoder_comes_back_bit_by_bit() -> None:
    flat = recorded_parameters("mae_small_params")
    back = encoder_to_reference(encoder_state_dict(flat, SMALL), SMALL)
    assert back.keys() == flat.keys()
    assert all(torch.equal(back[path], flat[path]) for path in flat)


def test_convnext_comes_back_bit_by_bit() -> None:
    flat = recorded_parameters("convnext_tiny_down")
    config = ConvNextConfig.from_reference(record("convnext_tiny_down")["model_config"])
    back = convnext_to_reference(convnext_state_dict(flat, config), config)
    assert back.keys() == flat.keys()
    assert all(torch.equal(back[path], flat[path]) for path in flat)


def test_our_names_are_not_the_references() -> None:
    names = [entry.ours for entry in encoder_entries(SMALL)]
    assert not any("gn" in name or "fc" in name or "up43" in name for name in names)
    assert "encoder.stages.1.blocks.0.shortcut.conv.weight" in names
    assert "decoder.ups.0.join_norm.weight" in names


def test_a_kernel_is_read_as_height_width_input_output() -> None:
    """One weight set at row 0, column 2, input 1, output 3 shifts that channel as it should."""
    flat = recorded_parameters("mae_small_params")
    kernel = torch.zeros(3, 3, 4, 32)
    kernel[0, 2, 1, 3] = 1.0
    flat["encoder/conv1/kernel"] = kernel
    model = MaskedAutoencoder(SMALL)
    model.load_state_dict(encoder_state_dict(flat, SMALL))
    x = torch.rand(1, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    found = model.encoder.stem.conv(x)
    expected = functional.pad(x[:, 1], (0, 1, 1, 0))[:, :5, 1:]  # the value above and to the right
    assert torch.equal(found[:, 3], expected)
    assert not found[:, :3].any()


def test_the_trunk_of_a_full_checkpoint_loads_alone() -> None:
    flat = recorded_parameters("mae_small_params")
    trunk = SMALL.trunk()
    state = encoder_state_dict(trunk_parameters(flat), trunk)
    whole = encoder_state_dict(flat, SMALL)
    assert all(torch.equal(value, whole[name]) for name, value in state.items())
    with pytest.raises(LayoutError, match=r"surplus +decoder/bridge/conv/kernel"):
        encoder_state_dict(flat, trunk)
    with pytest.raises(LayoutError, match=r"missing +fc/kernel"):
        encoder_state_dict(trunk_parameters(flat), SMALL)


def test_everything_that_does_not_fit_is_named_at_once() -> None:
    flat = recorded_parameters("mae_small_params")
    del flat["encoder/gn1/scale"]
    flat["encoder/layer2_norm/bias"] = flat["encoder/layer2_norm/bias"][:5]
    flat["encoder/bonus"] = torch.zeros(2)
    with pytest.raises(LayoutError) as caught:
        encoder_state_dict(flat, SMALL)
    assert set(caught.value.missing) == {"encoder/gn1/scale"}
    assert set(caught.value.surplus) == {"encoder/bonus"}
    assert caught.value.misshapen == {"encoder/layer2_norm/bias": ((5,), (64,))}


def test_another_width_is_refused_with_both_shapes() -> None:
    flat = recorded_parameters("mae_small_params")
    wide = EncoderConfig.from_reference(SMALL.to_reference() | {"base_channels": 64})
    with pytest.raises(LayoutError, match=r"\(3, 3, 4, 32\).*\(3, 3, 4, 64\)"):
        encoder_state_dict(flat, wide)
