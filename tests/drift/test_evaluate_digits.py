"""Digits: what real ones, poor ones and copies measure, and the record of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drift import digits as data
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import InputError
from drift.evaluate import Report, class_gaussians, evaluate_digits
from drift.evaluate.classifier import judge
from drift.evaluate.real import embedded


@pytest.fixture(scope="module")
def encoder() -> MaskedAutoencoder:
    config = EncoderConfig(in_channels=1, base_channels=16, blocks=(1, 1, 1, 1), trunk_only=True)
    return MaskedAutoencoder(config, generator=torch.Generator().manual_seed(0))


def square(flat: torch.Tensor) -> torch.Tensor:
    return flat.reshape(-1, 1, 8, 8)


@pytest.fixture(scope="module")
def reports(encoder: MaskedAutoencoder) -> dict[str, Report]:
    training, _ = data.load()
    labels = torch.arange(10).repeat_interleave(60)
    means = torch.stack([training.of_class(c).mean(0) for c in range(10)])[labels]
    noise = 0.02 * torch.randn(means.shape, generator=torch.Generator().manual_seed(0))
    some = {
        "real": (square(training.images), training.labels),
        "means": (square(means + noise), labels),
        "mislabelled": (square(training.images), (training.labels + 1) % 10),
        "without 3": tuple(x[training.labels != 3] for x in (square(training.images),
                                                             training.labels)),
    }  # fmt: skip
    return {name: evaluate_digits(*given, encoder=encoder) for name, given in some.items()}


def test_real_training_digits_are_good_and_known_as_copies(reports: dict[str, Report]) -> None:
    real = reports["real"]
    assert real.axis == "proxy"
    assert real["class_accuracy"] > 0.99
    assert (real.classes_covered, real.collapsed) == (10, ())
    assert real["fid_proxy"] == pytest.approx(real.real["fid_proxy"], rel=1e-9)
    assert min(real["precision"], real["recall"]) > 0.8
    assert real.memorised
    assert real["copies_pixels"] == 1.0
    assert real.figures["copies_pixels"].better == "lower"


def test_class_means_are_accurate_and_collapsed(reports: dict[str, Report]) -> None:
    """A judge alone would call them perfect."""
    means = reports["means"]
    assert means["class_accuracy"] > 0.95
    assert means.collapsed == tuple(range(10))
    assert means["recall"] < 0.1
    assert means["fid_proxy"] > 3 * means.real["fid_proxy"]
    assert means["coverage"] < 0.5


def test_wrong_labels_are_seen_by_accuracy_and_coverage_not_by_fid(
    reports: dict[str, Report],
) -> None:
    """Features of an untrained encoder mix the classes; a trained one leaves no class covered."""
    wrong = reports["mislabelled"]
    assert wrong["fid_proxy"] == pytest.approx(reports["real"]["fid_proxy"], rel=1e-9)
    assert wrong["class_accuracy"] < 0.05
    assert wrong["coverage"] < 0.5 < reports["real"]["coverage"]
    assert wrong.classes_covered < 10


def test_a_digit_that_is_never_generated_is_named(reports: dict[str, Report]) -> None:
    missing = reports["without 3"]
    assert missing.classes_covered == 9
    (three,) = (one for one in missing.per_class if one.label == 3)
    assert (three.count, three.coverage, three.covered) == (0, 0.0, False)


def test_the_same_samples_and_seed_give_the_same_figures(
    reports: dict[str, Report], encoder: MaskedAutoencoder
) -> None:
    training, _ = data.load()
    again = evaluate_digits(square(training.images), training.labels, encoder=encoder)
    assert {n: f.as_dict() for n, f in again.figures.items()} == {
        n: f.as_dict() for n, f in reports["real"].figures.items()
    }


def test_every_figure_has_an_interval_that_holds_it(reports: dict[str, Report]) -> None:
    for report in reports.values():
        for name, figure in report.figures.items():
            assert figure.low <= figure.value <= figure.high, name
            assert figure.interval
            assert figure.definition


def test_components_are_of_the_samples(reports: dict[str, Report]) -> None:
    parts = reports["real"].components
    assert parts["fid_proxy/mu"].shape == (64,)
    assert np.mean(parts["class_accuracy/hits"]) == reports["real"]["class_accuracy"]
    assert not np.allclose(parts["fid_proxy/mu"], parts["fid_proxy/reference_mu"])


def test_the_gaussian_baseline_has_the_moments_of_its_class() -> None:
    samples, labels = class_gaussians(20_000, generator=torch.Generator().manual_seed(0))
    training, _ = data.load()
    assert torch.bincount(labels).tolist() == [2000] * 10
    for label in (0, 7):
        real, drawn = training.of_class(label), samples[labels == label].flatten(1)
        assert float((drawn.mean(0) - real.mean(0)).abs().max()) < 0.06
        assert float((torch.cov(drawn.T) - torch.cov(real.T)).abs().max()) < 0.1


def test_the_judge_names_held_out_digits() -> None:
    assert judge(embedded("digits")).accuracy > 0.98


@pytest.mark.parametrize(
    ("samples", "labels", "message"),
    [
        (torch.zeros(9, 64), torch.zeros(9).long(), r"\[N, 1, 8, 8\]"),
        (torch.zeros(9, 1, 8, 8), torch.zeros(8).long(), "labels"),
        (torch.zeros(9, 1, 8, 8), torch.full((9,), 10), "classes 10 to 10"),
        (torch.zeros(9, 1, 8, 8), torch.full((9,), -1), r"each labelled with a class in 0 \.\. 9"),
        (torch.zeros(3, 1, 8, 8), torch.zeros(3).long(), "at least 6 samples"),
        (torch.zeros(0, 1, 8, 8), torch.zeros(0).long(), "at least 6 samples"),
        (torch.full((9, 1, 8, 8), float("nan")), torch.zeros(9).long(), "not finite"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    samples: torch.Tensor, labels: torch.Tensor, message: str, encoder: MaskedAutoencoder
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate_digits(samples, labels, encoder=encoder)
