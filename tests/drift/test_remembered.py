"""Features of real samples are computed once, and do not depend on who is asked for when."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from drift import remembered, trace
from drift.config import encoder_kwargs, load_template
from drift.data import DigitsSource, TensorSource
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.features import FeatureExtractor, real_features
from drift.ranks import ALONE
from drift.remembered import PIECE, Remembered
from drift.train import beginning, build, draw, step
from drift.train.step import TrainState

SMALL = EncoderConfig(in_channels=2, base_channels=32, blocks=(1, 1, 1, 1), trunk_only=True)


class Counting:
    """An extractor that counts the samples it is asked for."""

    def __init__(self) -> None:
        model = MaskedAutoencoder(SMALL, generator=torch.Generator().manual_seed(0))
        self.extractor = FeatureExtractor(model)
        self.sizes: list[int] = []

    def __call__(self, samples: Tensor) -> dict[str, Tensor]:
        self.sizes.append(len(samples))
        found: dict[str, Tensor] = self.extractor(samples)
        return found


@pytest.fixture
def samples() -> Tensor:
    return torch.randn(50, 2, 8, 8, generator=torch.Generator().manual_seed(1))


def equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], expected[name]) for name in expected
    )


def test_a_sample_is_encoded_once_and_has_the_features_of_the_encoder(samples: Tensor) -> None:
    counting = Counting()
    kept = Remembered(counting, most=50)
    for rows in (torch.arange(20), torch.tensor([3, 3, 19]), torch.arange(10, 50)):
        found, expected = kept(samples[rows]), counting.extractor(samples[rows])
        assert list(found) == list(expected)
        for name in expected:
            assert torch.allclose(found[name], expected[name], rtol=1e-5, atol=1e-5), name
            assert not found[name].requires_grad
    assert counting.sizes == [PIECE, PIECE]  # 20 and 30 samples that were new


def test_features_do_not_depend_on_the_order_in_which_samples_are_met(samples: Tensor) -> None:
    whole, later = Remembered(Counting(), most=50), Remembered(Counting(), most=50)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(2))
    for piece in order.split(7):
        later(samples[piece])
    assert equal(later(samples), whole(samples))


def test_of_a_source_that_never_shows_a_sample_twice_the_features_are_right(
    samples: Tensor,
) -> None:
    kept = Remembered(Counting(), most=12)
    for piece in samples.split(10):
        assert equal(kept(piece), Remembered(Counting(), most=50)(piece))
    assert equal(kept(samples), Remembered(Counting(), most=50)(samples))  # more than it keeps


def test_a_source_whose_features_would_take_too_much_is_not_remembered(
    samples: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting()
    one = sum(value.nbytes for value in counting.extractor(samples[:1]).values())
    monkeypatch.setattr(remembered, "LIMIT", 50 * one)
    assert Remembered.of(counting, samples[:1], 50) is not None
    assert Remembered.of(counting, samples[:1], 51) is None


def test_while_stages_are_recorded_the_encoder_is_asked(samples: Tensor) -> None:
    counting = Counting()
    kept = Remembered(counting, most=50)
    real = samples.reshape(5, 10, 2, 8, 8)
    with trace.recording() as stages:
        real_features(counting.extractor, real, None, remembered=kept)
    assert not counting.sizes
    assert any(name.startswith("feat_posneg/") for name in stages)
    real_features(counting.extractor, real, None, remembered=kept)
    assert sum(counting.sizes) == 2 * PIECE


def test_what_is_kept_is_asked_for_at_once_whatever_a_pass_holds(samples: Tensor) -> None:
    """Else each piece of two would be filled up by itself."""
    counting = Counting()
    kept = Remembered(counting, most=50)
    real_features(
        counting.extractor, samples.reshape(5, 10, 2, 8, 8), None, chunk=2, remembered=kept
    )
    assert counting.sizes == [PIECE, PIECE]


def test_what_samples_are_known_by_takes_no_room(samples: Tensor) -> None:
    kept = Remembered(Counting(), most=50)
    kept(samples)
    assert {len(key) for key in kept._places} == {remembered.KEY}
    assert len(kept._places) == len(samples)


@pytest.mark.parametrize("passes", [None, 4])
def test_a_step_is_the_same_with_features_that_are_remembered(passes: int | None) -> None:
    template = build.override(
        load_template("digits"), ("loss.class_labels=8", "loss.generated=4", "loss.positives=4")
    )

    def gradients(*, keep: bool) -> list[Tensor]:
        config = beginning.configured(template, passes, "plain")
        generator = build.generator(template, seed=0)
        encoder = MaskedAutoencoder(
            EncoderConfig.from_reference(encoder_kwargs(template)).trunk(),
            generator=torch.Generator().manual_seed(0),
        )
        extractor = FeatureExtractor(encoder, config=build.feature_config(template))
        state = TrainState.create(generator, extractor, config, ALONE)
        source = DigitsSource()
        if keep:
            beginning.remember(state, source)
            assert state.remembered is not None
        feed = draw.open_feed(template, source, seed=0)
        draw.warm_up(feed, template)
        for i in range(3):
            step.train_step(state, draw.draw(feed, template, seed=0, step=i))
        return [p.detach().clone() for p in generator.parameters()]

    for ours, theirs in zip(gradients(keep=True), gradients(keep=False), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_large_source_is_encoded_each_time() -> None:
    """As many as ImageNet has: 1.28 million times the features of one sample."""
    counting = Counting()
    source = TensorSource(torch.zeros(4, 2, 8, 8), torch.zeros(4, dtype=torch.int64), 1)
    assert Remembered.of(counting, source.get(torch.tensor([0])), 1_281_167) is None
