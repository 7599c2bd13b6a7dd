"""The masked autoencoder: recordings through interface v1, its dictionary, its loss, refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from drift import trace
from drift.encoder import EncoderConfig, MaskedAutoencoder, draw_mask, mask_from_uniform
from drift.errors import InputError
from drift.interop.flax import encoder_state_dict

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
REFERENCE = {
    "num_classes": 5,
    "in_channels": 2,
    "base_channels": 32,
    "patch_size": 2,
    "layers": [1, 2, 1, 1],
    "use_bf16": False,
    "input_patch_size": 1,
}


def config(**changes: Any) -> EncoderConfig:
    return EncoderConfig.from_reference(REFERENCE | changes)


def model(**changes: Any) -> MaskedAutoencoder:
    return MaskedAutoencoder(config(**changes), generator=torch.Generator().manual_seed(3))


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def recorded(name: str) -> tuple[dict[str, Any], dict[str, Tensor], MaskedAutoencoder]:
    """(record, arrays, model with the recorded parameters) of one golden case."""
    record = json.loads((GOLDEN / f"{name}.json").read_text())
    arrays = load_file(GOLDEN / f"{name}.safetensors")
    files = [record["params_file"], record["params_override_file"]]
    flat = {
        key.split("/", 1)[1]: value
        for file in files
        if file
        for key, value in load_file(GOLDEN / file).items()
        if key.startswith(("params/", "params_override/"))
    }
    chosen = EncoderConfig.from_reference(record["model_config"])
    loaded = MaskedAutoencoder(chosen)
    loaded.load_state_dict(encoder_state_dict(flat, chosen))
    return record, arrays, loaded


@pytest.mark.parametrize("name", ["mae_small_acts", "mae_pixel_acts", "mae_r34_acts"])
def test_activations_equal_the_recording(name: str) -> None:
    record, arrays, loaded = recorded(name)
    with torch.no_grad():
        found = loaded.activations(arrays["in/x"].movedim(-1, 1), **record["kwargs"])
    assert list(found) == record["activation_keys_in_order"]
    for key, measured in record["self_check"]["official_vs_f64_per_key"].items():
        expected = arrays[f"act/{key}"]
        allowed = max(10 * measured, 2e-6 * float(expected.abs().max()))
        assert float((found[key] - expected).abs().max()) <= allowed, key


@pytest.mark.parametrize("name", ["mae_small_call", "mae_small_call_varratio", "mae_pixel_call"])
def test_the_masked_loss_equals_the_recording(name: str) -> None:
    record, arrays, loaded = recorded(name)
    loss, metrics = loaded(
        arrays["in/x"].movedim(-1, 1),
        arrays["in/labels"],
        mask=arrays["in/mask"].movedim(-1, 1),
        lambda_cls=record["kwargs"]["lambda_cls"],
    )
    for key, value in (metrics | {"loss": loss}).items():
        error = (value.detach() - arrays[f"out/{key}"]).abs().max()
        assert float(error) <= record["tolerance_allowed"]["maxabs"], key


@pytest.mark.parametrize("name", ["mae_small_acts", "mae_small_call", "mae_pixel_call"])
def test_stages_are_recorded_in_the_recorded_order(name: str) -> None:
    record, arrays, loaded = recorded(name)
    x = arrays["in/x"].movedim(-1, 1)
    with trace.recording() as stages, torch.no_grad():
        if "in/mask" in arrays:
            mask = arrays["in/mask"].movedim(-1, 1)
            loaded(x, arrays["in/labels"], mask=mask, lambda_cls=0.0)
        else:
            loaded.activations(x)
    named = [s for s in record["stages"] if s.startswith(("step/", "act/"))]
    assert [stage for stage in stages if stage in named] == named
    assert all(stages[stage].shape == arrays[stage].shape for stage in named)


def test_a_sample_has_the_same_features_in_any_batch() -> None:
    encoder, x = model(), images(3, 2, 16, 16)
    with torch.no_grad():
        together, alone = encoder.activations(x), encoder.activations(x[1:2])
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1:2], value, rtol=0, atol=2e-5, msg=name)


def test_every_block_or_none_can_be_tapped() -> None:
    encoder, x = model(), images(1, 2, 8, 8)
    taps = {
        every: [k for k in encoder.activations(x, every_k_block=every) if k.endswith(("1", "2"))]
        for every in (1, 2, 3, None, math.inf)
    }
    assert [k for k in taps[1] if "blk" in k and "mean" not in k and "std" not in k] == [
        "layer1_blk1",
        "layer2_blk1",
        "layer2_blk2",
        "layer3_blk1",
        "layer4_blk1",
    ]
    assert any("blk" in key for key in taps[2])
    for every in (3, None, math.inf):
        assert not any("blk" in key for key in taps[every])


@pytest.mark.parametrize(
    ("switches", "gone"),
    [
        ({"use_mean": False}, {"_mean"}),
        ({"use_std": False}, {"_std"}),
        ({"patch_mean_size": (4,)}, {"_mean_2"}),
        ({"patch_std_size": None}, {"_std_2", "_std_4"}),
        ({"patch_mean_size": (), "patch_std_size": []}, {"_mean_2", "_mean_4", "_std_2", "_std_4"}),
    ],
)
def test_a_switch_takes_away_its_own_entries_only(switches: dict[str, Any], gone: set[str]) -> None:
    encoder, x = model(), images(1, 2, 32, 32)
    everything = list(encoder.activations(x))
    maps = [name for name in everything if f"{name}_mean" in everything]
    lost = {name + ending for name in maps for ending in gone}
    assert list(encoder.activations(x, **switches)) == [n for n in everything if n not in lost]


def test_patch_sizes_that_do_not_divide_both_sides_have_no_entry() -> None:
    found = model().activations(images(1, 2, 12, 10))
    assert found["conv1_mean_2"].shape == (1, 30, 32)
    assert "conv1_mean_4" not in found  # 12 = 3 * 4, but 10 is no multiple of 4
    assert found["layer2"].shape == (1, 6 * 5, 64)
    assert "layer2_std_2" not in found


def test_a_bfloat16_encoder_keeps_deviations_in_float32() -> None:
    found = model(use_bf16=True).activations(images(1, 2, 8, 8))
    dtypes = {name: value.dtype for name, value in found.items()}
    deviations = {name for name in dtypes if "_std" in name}
    assert all(dtypes[name] == torch.float32 for name in deviations)
    assert all(dtypes[name] == torch.bfloat16 for name in dtypes.keys() - deviations)


def test_a_float64_encoder_computes_in_float64_and_its_gradient_is_right() -> None:
    encoder = model(base_channels=4, layers=[1, 1, 1, 1]).double()
    x = images(1, 2, 4, 4).double().requires_grad_()

    def features(image: Tensor) -> tuple[Tensor, ...]:
        found = encoder.activations(image)
        return tuple(found[name] for name in ("norm_x", "conv1_std_2", "layer2_mean"))

    assert all(value.dtype == torch.float64 for value in features(x))
    assert torch.autograd.gradcheck(features, (x,), eps=1e-6, atol=1e-6)


def test_the_gradient_is_finite_where_a_map_is_constant() -> None:
    x = torch.zeros(1, 2, 8, 8, requires_grad=True)
    sum(value.sum() for value in model().activations(x).values()).backward()
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())


def test_the_full_depth_encoder_has_85_entries_without_allocating_a_weight() -> None:
    record = json.loads((GOLDEN / "params_mae_latent_640.json").read_text())
    encoder = MaskedAutoencoder(EncoderConfig.from_reference(record["model_config"]), device="meta")
    assert all(parameter.is_meta for parameter in encoder.parameters())
    found = encoder.activations(torch.empty(1, 4, 32, 32, device="meta"))
    assert list(found) == record["activation_keys_in_order"]
    assert len(found) == 85


def test_nothing_masked_costs_nothing_and_everything_masked_is_scored() -> None:
    encoder, x = model(), images(2, 2, 8, 8)
    labels, everything = torch.tensor([0, 4]), torch.ones(2, 1, 8, 8)
    loss, metrics = encoder(x, labels, mask=torch.zeros(2, 1, 8, 8), lambda_cls=0.0)
    assert torch.equal(loss, torch.zeros(2))
    assert torch.equal(metrics["mask_ratio"], torch.zeros(2))
    blind, metrics = encoder(x, labels, mask=everything, lambda_cls=0.0)
    assert torch.equal(metrics["mask_ratio"], torch.ones(2))
    other, _ = encoder(images(2, 2, 8, 8, seed=9), labels, mask=everything, lambda_cls=1.0)
    same, _ = encoder(x, labels, mask=everything, lambda_cls=1.0)
    assert bool((blind > 0).all())
    assert torch.equal(other, same), "a fully masked image is no image to the classifier"


def test_a_boolean_mask_and_a_tensor_lambda_mean_the_same() -> None:
    encoder, x, labels = model(), images(2, 2, 8, 8), torch.tensor([1, 2])
    mask = draw_mask(2, (8, 8), ratio=(0.5, 0.5), patch=2, generator=torch.Generator())
    plain, _ = encoder(x, labels, mask=mask, lambda_cls=0.25)
    other, _ = encoder(x, labels, mask=mask.bool(), lambda_cls=torch.tensor([0.25, 0.25]))
    assert torch.equal(plain, other)


def test_every_parameter_gets_a_gradient_from_the_joint_loss() -> None:
    encoder, x = model(), images(2, 2, 8, 8)
    mask = draw_mask(2, (8, 8), ratio=(0.5, 0.5), patch=2, generator=torch.Generator())
    loss, metrics = encoder(x, torch.tensor([0, 1]), mask=mask, lambda_cls=0.5)
    loss.mean().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []
    assert not any(value.requires_grad for value in metrics.values())


@pytest.mark.parametrize(("ratio", "expected"), [((0.5, 0.5), 0.5), ((0.2, 0.9), 0.55)])
def test_the_share_of_masked_squares_is_the_ratio(
    ratio: tuple[float, float], expected: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    mask = draw_mask(2000, (16, 16), ratio=ratio, patch=2, generator=generator)
    assert mask.shape == (2000, 1, 16, 16)
    squares = mask[:, 0, ::2, ::2]
    assert torch.equal(mask[:, 0], squares.repeat_interleave(2, 1).repeat_interleave(2, 2))
    # standard error: at most sqrt(0.25 / 128000 + 0.7^2 / 12 / 2000) = 0.0047; six of them
    assert abs(float(squares.mean()) - expected) < 0.029


def test_the_same_generator_draws_the_same_mask() -> None:
    masks = [
        draw_mask(3, (8, 8), ratio=(0.2, 0.9), patch=2, generator=torch.Generator().manual_seed(5))
        for _ in range(2)
    ]
    assert torch.equal(*masks)


def test_one_ratio_for_all_samples_is_the_same_as_one_for_each() -> None:
    uniform = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(1))
    each = mask_from_uniform(uniform, torch.full((3,), 0.3), patch=2)
    assert torch.equal(mask_from_uniform(uniform, 0.3, patch=2), each)


def test_the_reference_configuration_comes_back() -> None:
    assert config().to_reference() == REFERENCE
    assert EncoderConfig.from_reference(config().to_reference()) == config()


def test_a_width_the_decoder_cannot_have_gives_the_trunk_alone() -> None:
    trunk = model(base_channels=6)
    assert trunk.config.trunk_only
    assert all(name.startswith("encoder.") for name in trunk.state_dict())
    with pytest.raises(InputError, match="trunk"):
        trunk(images(1, 2, 8, 8), torch.tensor([0]), mask=torch.ones(1, 1, 8, 8), lambda_cls=0.0)
    with pytest.raises(InputError, match="multiple of 32"):
        EncoderConfig(base_channels=6)


def test_the_trunk_of_a_configuration_has_the_same_features() -> None:
    whole = model()
    trunk = MaskedAutoencoder(whole.config.trunk())
    trunk.load_state_dict(
        {name: v for name, v in whole.state_dict().items() if name.startswith("encoder.")}
    )
    x = images(1, 2, 8, 8)
    for name, value in whole.activations(x).items():
        assert torch.equal(trunk.activations(x)[name], value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widht": 3}, "unknown keys \\['widht'\\]"),
        ({"dropout_prob": 0.1}, "dropout"),
        ({"layers": [1, 2, 1]}, "4 numbers"),
        ({"layers": 3}, "a list of numbers"),
        ({"layers": [1, 2, 0, 1]}, "at least 1"),
        ({"in_channels": True}, "whole number"),
        ({"num_classes": 0}, "at least 1"),
        ({"use_bf16": "yes"}, "boolean"),
        ({"base_channels": 32.0}, "whole number"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        config(**changes)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(InputError, match="missing keys \\['base_channels', 'layers'\\]"):
        EncoderConfig.from_reference({"in_channels": 4})


def test_inputs_that_do_not_fit_are_refused() -> None:
    encoder, labels = model(input_patch_size=4), torch.tensor([0])
    with pytest.raises(InputError, match="multiples of the input patch 4"):
        encoder.activations(images(1, 2, 8, 10))
    with pytest.raises(InputError, match="3 channels"):
        encoder.activations(images(1, 3, 8, 8))
    with pytest.raises(InputError, match="every_k_block"):
        encoder.activations(images(1, 2, 8, 8), every_k_block=0)
    with pytest.raises(InputError, match=r"expected \(1, 1, 2, 2\)"):
        encoder(images(1, 2, 8, 8), labels, mask=torch.ones(1, 1, 8, 8), lambda_cls=0.0)
    with pytest.raises(InputError, match="mask patch"):
        draw_mask(1, (7, 8), ratio=(0.5, 0.5), patch=2, generator=torch.Generator())
    with pytest.raises(InputError, match="ratio"):
        draw_mask(1, (8, 8), ratio=(0.9, 0.2), patch=2, generator=torch.Generator())
