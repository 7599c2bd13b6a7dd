"""The second encoder: the library's network with the reference's constants, weights, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from drift import convnext, trace
from drift.convnext import ConvNextConfig, ConvNextFeatures, imagenet, load_pretrained
from drift.errors import InputError
from drift.interop.encoder_layout import convnext_state_dict

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
SMALL = ConvNextConfig((1, 1, 2, 1), (8, 16, 24, 32))


def recorded(name: str) -> tuple[dict[str, Any], dict[str, Tensor], ConvNextFeatures]:
    record = json.loads((GOLDEN / f"{name}.json").read_text())
    flat = load_file(GOLDEN / record["params_file"])
    model = ConvNextFeatures(SMALL)
    params = {k.removeprefix("params/"): v for k, v in flat.items() if k.startswith("params/")}
    model.load_state_dict(convnext_state_dict(params, SMALL))
    return record, load_file(GOLDEN / f"{name}.safetensors"), model


@pytest.mark.parametrize("name", ["convnext_tiny_up", "convnext_tiny_down", "convnext_tiny_same"])
def test_features_equal_the_recording(name: str) -> None:
    record, arrays, model = recorded(name)
    x = arrays["in/x"] if "in/x" in arrays else arrays["in/x_tile"].tile(1, 4, 4, 1)
    with trace.recording() as stages, torch.no_grad():
        found = model.activations(x.movedim(-1, 1))
    assert list(found) == record["activation_keys_in_order"]
    named = [stage for stage in record["stages"] if not stage.startswith("grad/")]
    assert [stage for stage in stages if stage in named] == named
    for stage in named:
        error = float((stages[stage] - arrays[stage]).abs().max())
        assert error <= record["tolerance_allowed"]["act_maxabs"], stage


def test_the_librarys_constants_are_the_references() -> None:
    model = ConvNextFeatures(SMALL).backbone
    norms = [part for part in model.modules() if isinstance(part, nn.LayerNorm)]
    assert len(norms) == 1 + 3 + 5 + 1  # stem, three steps down, five blocks, pooled output
    assert {part.eps for part in norms} == {1e-6}
    x = torch.linspace(-4, 4, 101)
    activation = model.encoder.stages[0].layers[0].act
    assert torch.equal(activation(x), nn.functional.gelu(x, approximate="none"))
    assert not model.training


def test_hooks_of_a_recording_do_not_outlive_it() -> None:
    model = ConvNextFeatures(SMALL)
    with trace.recording(), torch.no_grad():
        model.activations(torch.rand(1, 3, 32, 32))
    assert not any(part._forward_hooks for part in model.modules())


def test_a_token_of_equal_channels_has_a_finite_gradient() -> None:
    tokens = torch.ones(1, 2, 8, requires_grad=True)
    convnext.normalise_tokens(tokens).sum().backward()
    assert tokens.grad is not None
    assert bool(torch.isfinite(tokens.grad).all())


def test_black_white_and_outside_values_are_normalised_without_clipping() -> None:
    images = torch.stack([torch.full((3, 1, 1), v) for v in (-1.0, 1.0, 3.0)])
    found = imagenet(images)[:, :, 0, 0]
    mean, std = torch.tensor(convnext.PIXEL_MEAN), torch.tensor(convnext.PIXEL_STD)
    for row, level in zip(found, (0.0, 1.0, 2.0), strict=True):
        torch.testing.assert_close(row, (level - mean) / std)


def test_latents_are_refused() -> None:
    with pytest.raises(InputError, match="RGB images, not latents"):
        imagenet(torch.zeros(1, 4, 32, 32))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A file as the library writes it: with the classifier, under the library's prefix."""
    from transformers import ConvNextV2Config, ConvNextV2ForImageClassification

    config = ConvNextV2Config(**convnext.library_options(SMALL), num_labels=5)
    ConvNextV2ForImageClassification(config).save_pretrained(tmp_path)
    return tmp_path / "model.safetensors"


def test_a_library_checkpoint_loads_with_every_parameter(checkpoint: Path) -> None:
    from transformers import ConvNextV2ForImageClassification

    ours = load_pretrained(checkpoint, SMALL)
    theirs = ConvNextV2ForImageClassification.from_pretrained(checkpoint.parent).convnextv2
    expected = theirs.state_dict()
    assert all(
        torch.equal(value, expected[name.removeprefix("backbone.")])
        for name, value in ours.state_dict().items()
    )
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pooled = theirs.eval()(images).pooler_output
        found = ours.activations(images)["global_mean"][:, 0]
    torch.testing.assert_close(found, pooled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("damage", ["missing", "surplus", "misshapen"])
def test_a_checkpoint_that_leaves_a_parameter_open_is_refused(
    checkpoint: Path, damage: str
) -> None:
    tensors = load_file(checkpoint)
    name = "convnextv2.encoder.stages.2.layers.1.grn.weight"
    if damage == "missing":
        del tensors[name]
    elif damage == "surplus":
        tensors["convnextv2.encoder.stages.2.layers.2.grn.weight"] = tensors[name].clone()
    else:
        tensors[name] = tensors[name][..., :5].clone()
    save_file(tensors, checkpoint)
    with pytest.raises(InputError, match=r"1 parameters .*stages\.2\.layers\.\d\.grn\.weight"):
        load_pretrained(checkpoint, SMALL)


def test_an_absent_checkpoint_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="facebook/convnextv2-base-22k-224"):
        load_pretrained(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    "given",
    [
        {"depths": [1, 1, 2, 1]},
        {"depths": [1, 1, 2, 1], "dims": [8, 16, 24, 32], "drop_path": 0.1},
        {"depths": [1, 1, 2], "dims": [8, 16, 24, 32]},
        {"depths": [1, 1, 2, 0], "dims": [8, 16, 24, 32]},
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="ConvNextConfig"):
        ConvNextConfig.from_reference(given)
