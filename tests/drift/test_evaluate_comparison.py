"""A run beside its baselines: better only where intervals part; only the judge is shared."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drift import digits
from drift.config import TemplateError, load_template
from drift.data import DigitsSource
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.evaluate import baselines, comparison
from drift.evaluate.figures import Figure
from drift.features import FeatureConfig, FeatureExtractor
from drift.train import build

SMALL = (
    "queue.push_per_step=64",
    "loss.positives=4",
    "loss.generated=4",
    "loss.unconditional=1",
    "optimizer.ema_decay=[0.5, 0.9]",
    "optimizer.warmup_steps=1",
)


@pytest.fixture(scope="module")
def encoder() -> MaskedAutoencoder:
    config = EncoderConfig(in_channels=1, base_channels=16, blocks=(1, 1, 1, 1), trunk_only=True)
    return MaskedAutoencoder(config, generator=torch.Generator().manual_seed(0))


def figure(value: float, half: float, better: str) -> Figure:
    return Figure(value=value, low=value - half, high=value + half, interval="", definition="",
                  count=10, better=better)  # fmt: skip


def conditions(**changed: Any) -> baselines.Conditions:
    usual = baselines.Conditions(
        steps=2, count=4, run_seed=0, seed=0, alpha=1.0, ema_decay=0.9
    )  # fmt: skip
    return dataclasses.replace(usual, **changed)


sides = st.tuples(st.floats(0, 10), st.floats(0, 3))


@given(ours=sides, theirs=sides, better=st.sampled_from(["lower", "higher"]))
def test_a_verdict_is_mirrored_and_needs_intervals_that_part(
    ours: tuple[float, float], theirs: tuple[float, float], better: str
) -> None:
    a, b = figure(*ours, better), figure(*theirs, better)
    said, mirrored = comparison.verdict(a, b), comparison.verdict(b, a)
    opposite = {
        comparison.BETTER: comparison.WORSE,
        comparison.WORSE: comparison.BETTER,
        comparison.OPEN: comparison.OPEN,
    }
    assert mirrored == opposite[said]
    apart = (a.high < b.low or b.high < a.low) and min(b.high - b.low, a.high - a.low) > 0
    assert (said != comparison.OPEN) == apart
    if said == comparison.BETTER:
        assert (a.value < b.value) == (better == "lower")


def test_an_interval_that_could_not_be_measured_parts_from_nothing() -> None:
    # six samples of six classes: every resample of a class is the class, and the width is zero
    assert comparison.verdict(figure(206.1, 0, "lower"), figure(213.3, 0, "lower")) == (
        comparison.OPEN
    )


def test_figures_without_a_good_direction_are_never_separated() -> None:
    assert comparison.verdict(figure(0, 1, "near 1"), figure(5, 1, "near 1")) == comparison.OPEN
    assert comparison.verdict(figure(0, 1, "lower"), figure(5, 1, "higher")) == comparison.OPEN


def test_the_raw_pixel_baseline_asks_the_encoder_nothing(encoder: MaskedAutoencoder) -> None:
    template = build.override(load_template("digits"), SMALL)
    seen: list[int] = []
    with patch.object(MaskedAutoencoder, "activations", side_effect=AssertionError("asked")):
        samples, labels = baselines.raw_pixels(
            template, DigitsSource(), encoder, conditions(steps=3, count=12), seen.append
        )
    assert samples.shape == (12, 1, 8, 8)
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert seen == [1, 2, 3]


def test_the_raw_pixel_baseline_is_made_as_the_run_was(encoder: MaskedAutoencoder) -> None:
    template = build.override(load_template("digits"), SMALL)

    def samples(**changed: Any) -> torch.Tensor:
        made = conditions(**changed)
        return baselines.raw_pixels(template, DigitsSource(), encoder, made)[0]

    first = samples()
    assert torch.equal(first, samples())
    for changed in ({"run_seed": 1}, {"seed": 1}, {"ema_decay": 0.5}, {"ema_decay": None},
                    {"steps": 0}, {"alpha": 2.0}):  # fmt: skip
        assert not torch.equal(first, samples(**changed)), changed


def test_a_run_without_the_raw_term_has_the_raw_term_as_its_rival(
    encoder: MaskedAutoencoder,
) -> None:
    template = build.override(load_template("digits"), (*SMALL, "loss.vanilla_term=absent"))
    samples, _ = baselines.raw_pixels(template, DigitsSource(), encoder, conditions())
    assert samples.shape == (4, 1, 8, 8)


def test_without_encoders_only_the_raw_sample_is_compared(encoder: MaskedAutoencoder) -> None:
    images = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    extractor = FeatureExtractor(encoder, config=FeatureConfig(encoders=False))
    assert list(extractor(images)) == ["global"]


def test_a_template_without_any_feature_is_refused() -> None:
    template = load_template("digits")
    settings = ("loss.feature_taps=none", "loss.vanilla_term=absent")
    with pytest.raises(TemplateError, match=r"loss\.vanilla_term: found absent"):
        build.feature_config(build.override(template, settings))


def test_gaussians_with_independent_pixels_keep_variances_and_drop_covariances() -> None:
    drawn = {
        independent: baselines.class_gaussians(
            20_000, generator=torch.Generator().manual_seed(0), independent=independent
        )
        for independent in (False, True)
    }
    training = digits.load()[0].of_class(3)
    real = torch.cov(training.T)
    for independent, (samples, labels) in drawn.items():
        ours = torch.cov(samples[labels == 3].flatten(1).T)
        assert torch.allclose(ours.diagonal(), real.diagonal(), atol=0.06)
        off = ours - ours.diagonal().diag()
        wanted = torch.zeros_like(real) if independent else real - real.diagonal().diag()
        assert (off - wanted).abs().max() < 0.06
    assert (real - real.diagonal().diag()).abs().max() > 0.2
