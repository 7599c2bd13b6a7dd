"""From samples to the loss: the dictionary, its choice for ablations, frozen encoders, the glue."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drift import trace
from drift.convnext import BASE, ConvNextConfig, ConvNextFeatures
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import InputError
from drift.features import (
    FeatureConfig,
    FeatureExtractor,
    freeze,
    inventory_of,
    real_features,
    sample_loss,
)
from drift.loss import feature_loss

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
SMALL = EncoderConfig(in_channels=2, base_channels=8, blocks=(1, 2, 1, 1), trunk_only=True)


def encoder(**changes: Any) -> MaskedAutoencoder:
    config = dataclasses.replace(SMALL, **changes)
    return MaskedAutoencoder(config, generator=torch.Generator().manual_seed(0))


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def given(labels: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Samples [B*3], positives [B, 4], unconditional [B, 2], alpha [B]."""
    alpha = torch.linspace(1.0, 3.0, labels)
    return (
        randn(labels * 3, 2, 16, 16),
        randn(labels, 4, 2, 16, 16, seed=1),
        randn(labels, 2, 2, 16, 16, seed=2),
        alpha,
    )


def test_the_raw_sample_is_flattened_channels_last() -> None:
    samples = torch.arange(12.0).reshape(1, 3, 2, 2)
    found = FeatureExtractor(encoder(in_channels=3))(samples)["global"]
    assert found.tolist() == [[[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]]]


def test_the_pixel_columns_have_the_references_99_entries() -> None:
    """The recorded orders of both encoders, at full size and without allocating a weight."""
    mae = json.loads((GOLDEN / "params_mae_pixel_640.json").read_text())
    second = json.loads((GOLDEN / "params_convnext_base.json").read_text())
    with torch.device("meta"):
        extractor = FeatureExtractor(
            MaskedAutoencoder(EncoderConfig.from_reference(mae["model_config"])),
            ConvNextFeatures(BASE),
        )
        found = extractor(torch.empty(1, 3, 256, 256))
    expected = ["global", *mae["activation_keys_in_order"], *second["activation_keys_in_order"]]
    assert list(found) == expected
    assert len(expected) == 1 + 85 + 13
    shapes = mae["activation_shapes"] | second["activation_shapes"]
    assert all(list(found[name].shape) == shapes[name] for name in shapes)


@pytest.mark.parametrize(
    ("letters", "parts"),
    [
        ("a", {"locations"}),
        ("a,b", {"locations", "map_statistics"}),
        ("a-c", {"locations", "map_statistics", "patch_2"}),
        ("a-d", {"locations", "map_statistics", "patch_2", "patch_4"}),
        ("abd", {"locations", "map_statistics", "patch_4"}),
        ("a, c-d", {"locations", "patch_2", "patch_4"}),
    ],
)
def test_the_papers_letters_name_parts_of_the_inventory(letters: str, parts: set[str]) -> None:
    assert inventory_of(letters) == parts


@pytest.mark.parametrize("letters", ["e", "a-e", "c-a", "a;b", "-"])
def test_other_letters_are_refused(letters: str) -> None:
    with pytest.raises(InputError, match="letters a to d"):
        inventory_of(letters)


def test_the_inventories_of_the_ablation_are_nested_and_end_in_everything() -> None:
    samples = randn(1, 2, 16, 16)
    everything = list(FeatureExtractor(encoder())(samples))
    chosen = [
        list(FeatureExtractor(encoder(), config=FeatureConfig.from_inventory(letters))(samples))
        for letters in ("a", "a,b", "a-c", "a-d")
    ]
    for fewer, more in itertools.pairwise(chosen):
        assert set(fewer) < set(more)
    assert chosen[-1] == everything


def test_the_inventory_selects_among_the_second_encoders_entries_too() -> None:
    second = ConvNextFeatures(ConvNextConfig((1, 1, 1, 1), (8, 8, 8, 8)))
    for letters, expected in (("a", {"convenxt_stage_2"}), ("b", {"global_std"})):
        config = FeatureConfig.from_inventory(letters, vanilla=False)
        extractor = FeatureExtractor(encoder(in_channels=3), second, config=config)
        found = {name for name in extractor(randn(1, 3, 16, 16)) if "conv1" not in name}
        assert expected <= found
        assert ("convenxt_stage_2_mean" in found) == (letters == "b")
        assert "global" not in found


def test_the_references_switches_are_read_strictly() -> None:
    record = json.loads((GOLDEN / "train_step.json").read_text())
    config = FeatureConfig.from_activation_kwargs(
        record["activation_kwargs"], without=frozenset(record["dropped_features"])
    )
    assert config == FeatureConfig(without=frozenset({"layer1_mean", "layer1_std"}))
    only = FeatureConfig.from_activation_kwargs({"patch_std_size": None, "every_k_block": 3})
    assert only.patch_std_size == ()
    with pytest.raises(InputError, match="patch_size"):
        FeatureConfig.from_activation_kwargs({"patch_size": [2]})


def test_training_mode_cannot_be_switched_on() -> None:
    extractor = FeatureExtractor(encoder())
    extractor.train()
    assert not any(part.training for part in extractor.modules())
    assert not any(parameter.requires_grad for parameter in extractor.parameters())


def test_a_frozen_bfloat16_encoder_has_the_same_features_in_half_the_memory() -> None:
    x = randn(2, 2, 16, 16)
    before = encoder(bfloat16=True)
    expected = before.activations(x)
    full = sum(p.numel() * p.itemsize for p in before.parameters())
    frozen = freeze(before)
    found = frozen.activations(x)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert sum(p.numel() * p.itemsize for p in frozen.parameters()) < 0.52 * full
    norms = [p for name, p in frozen.named_parameters() if "norm" in name]
    assert norms
    assert all(p.dtype == torch.float32 for p in norms)


def test_the_loss_is_the_sum_of_one_call_for_each_name() -> None:
    extractor = FeatureExtractor(encoder())
    samples, positives, unconditional, alpha = given()
    total, info = sample_loss(extractor, samples, positives, unconditional, alpha)
    real = torch.cat([positives, unconditional], 1)
    parts = []
    for name, value in extractor(samples).items():
        others = extractor(real.flatten(0, 1))[name].unflatten(0, (2, 6))
        loss, _ = feature_loss(
            {name: value.unflatten(0, (2, 3))},
            {name: others},
            alpha,
            positives=4,
            temperatures=(0.02, 0.05, 0.2),
            semantics="reference",
        )
        assert torch.equal(loss, info[f"loss/{name}"])
        parts.append(loss)
    torch.testing.assert_close(total, torch.stack(parts).sum())


def test_samples_belong_to_labels_in_order() -> None:
    """Exchanging two labels with all that is theirs leaves loss and forces as they are; exchanging
    a generated sample of one label with one of the other does not."""
    extractor = FeatureExtractor(encoder())
    samples, positives, unconditional, alpha = given()
    positives = positives + torch.tensor([0.0, 3.0]).reshape(2, 1, 1, 1, 1)
    samples = samples + torch.tensor([0.0, 3.0]).repeat_interleave(3).reshape(6, 1, 1, 1)
    loss, info = sample_loss(extractor, samples, positives, unconditional, alpha)
    order = torch.tensor([3, 4, 5, 0, 1, 2])
    moved, same = sample_loss(
        extractor, samples[order], positives.flip(0), unconditional.flip(0), alpha.flip(0)
    )
    torch.testing.assert_close(moved, loss, rtol=1e-4, atol=0)
    _, mixed = sample_loss(
        extractor, samples[torch.tensor([0, 1, 3, 2, 4, 5])], positives, unconditional, alpha
    )
    force = "loss_0.2/global"
    torch.testing.assert_close(same[force], info[force], rtol=1e-4, atol=0)
    assert abs(float(mixed[force] / info[force]) - 1) > 0.1


def test_without_unconditional_samples_alpha_does_not_matter() -> None:
    extractor = FeatureExtractor(encoder())
    samples, positives, _, alpha = given()
    first, _ = sample_loss(extractor, samples, positives, None, alpha)
    second, _ = sample_loss(extractor, samples, positives, None, alpha + 1)
    assert torch.equal(first, second)


def test_only_the_samples_get_a_gradient() -> None:
    extractor = FeatureExtractor(encoder())
    samples, positives, unconditional, alpha = given()
    for tensor in (samples, positives, unconditional):
        tensor.requires_grad_()
    loss, info = sample_loss(extractor, samples, positives, unconditional, alpha)
    loss.backward()
    assert samples.grad is not None
    assert bool((samples.grad.flatten(1).norm(dim=1) > 0).all())
    assert positives.grad is None
    assert unconditional.grad is None
    assert not any(value.requires_grad for value in info.values())


def test_real_features_come_in_chunks_of_any_size() -> None:
    extractor = FeatureExtractor(encoder())
    _, positives, unconditional, _ = given()
    whole = real_features(extractor, positives, unconditional)
    for chunk in (1, 5, 100):
        pieces = real_features(extractor, positives, unconditional, chunk=chunk)
        assert list(pieces) == list(whole)
        for name, value in whole.items():
            assert pieces[name].shape == (2, 6, *value.shape[2:])
            torch.testing.assert_close(pieces[name], value, rtol=0, atol=1e-4, msg=name)


def test_the_trace_keeps_generated_and_real_features_apart() -> None:
    extractor = FeatureExtractor(encoder())
    with trace.recording() as stages:
        sample_loss(extractor, *given())
    assert stages["feat_gen/norm_x"].shape == (6, 1, 2)
    assert stages["feat_posneg/norm_x"].shape == (2, 6, 1, 2)
    assert stages["feat_gen/layer2"].shape == (6, 64, 16)


@pytest.mark.parametrize("wrong", ["samples", "positives", "alpha"])
def test_groups_that_do_not_fit_are_refused(wrong: str) -> None:
    samples, positives, unconditional, alpha = given()
    broken = {
        "samples": (samples[:5], positives, unconditional, alpha),
        "positives": (samples, positives[:1], unconditional, alpha),
        "alpha": (samples, positives, unconditional, alpha[:, None]),
    }[wrong]
    with pytest.raises(InputError, match="label by label"):
        sample_loss(FeatureExtractor(encoder()), *broken)
