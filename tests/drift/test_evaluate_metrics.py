"""Laws of the metrics beyond the contract's clauses: their intervals, edges and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contracts.metrics import cases
from drift.errors import InputError
from drift.evaluate import audit, bootstrap, classes, fid, inception, kid, prdc
from drift.evaluate.figures import Figure
from drift.sample import images


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_fid_of_a_set_with_itself_is_zero_and_grows_with_a_shift() -> None:
    points = cases.gaussian(rng(), 400, 5)
    moments = fid.moments(points)
    assert fid.frechet(moments, moments) == pytest.approx(0.0, abs=1e-9)
    shifted = fid.moments(points + np.array([3.0, 0, 0, 0, 0]))
    assert fid.frechet(moments, shifted) == pytest.approx(9.0, abs=1e-9)
    assert fid.frechet(moments, shifted) == pytest.approx(fid.frechet(shifted, moments))


def test_weighted_moments_are_those_of_repeated_rows() -> None:
    points, weights = cases.gaussian(rng(), 50, 3), rng(1).integers(0, 4, 50)
    found, expected = (
        fid.moments(points, weights.astype(float)),
        fid.moments(np.repeat(points, weights, axis=0)),
    )
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-12)
    np.testing.assert_allclose(found.covariance, expected.covariance, atol=1e-12)
    assert found.count == expected.count


@pytest.mark.parametrize("count", [0, 1])
def test_moments_need_two_samples(count: int) -> None:
    with pytest.raises(InputError, match="at least 2 samples"):
        fid.moments(np.zeros((count, 3)))


def test_features_of_unlike_widths_have_no_distance() -> None:
    with pytest.raises(InputError, match="one width"):
        fid.frechet(fid.moments(rng().normal(size=(9, 2))), fid.moments(rng().normal(size=(9, 3))))


def test_a_fid_states_its_interval_and_its_bias() -> None:
    figure = fid.figure(rng().normal(size=(200, 8)), fid.Moments(np.zeros(8), np.eye(8), 99), rng())
    assert figure.low <= figure.value <= figure.high
    assert figure.details["bias"] > 0
    assert list(figure.details["by_count"]) == ["200", "100", "66", "50"]
    assert figure.details["reference_count"] == 99


def test_resamples_keep_the_numbers_of_the_classes() -> None:
    labels = np.array([0, 1, 1, 2, 2, 2])
    for seed in range(20):
        drawn = bootstrap.counts(bootstrap.strata_of(labels, 6), rng(seed))
        assert [int(drawn[labels == label].sum()) for label in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_share_without_exception_is_not_called_certain(value: float) -> None:
    figure = bootstrap.share(np.full(50, bool(value)), rng(), definition="x")
    assert figure.value == value
    assert 0.05 < figure.high - figure.low < 0.1
    assert "Wilson" in figure.interval


def test_the_interval_of_a_share_holds_its_truth_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(300):
        figure = bootstrap.share(rng(seed).random(200) < 0.8, rng(seed), definition="x")
        held += figure.low <= 0.8 <= figure.high
    assert 0.91 <= held / 300 <= 0.99


def test_the_inception_score_lies_between_one_and_the_number_of_classes() -> None:
    certain = 50.0 * np.eye(10, dtype=np.float32)[np.arange(500) % 10]
    figure = inception.figure(certain, rng())
    assert 9.0 < figure.value < 10.0  # a split of 50 does not hold every class equally often
    assert figure.details["all_samples"] == pytest.approx(10.0, abs=1e-3)
    assert inception.figure(np.zeros((500, 10), np.float32), rng()).value == pytest.approx(1.0)
    with pytest.raises(InputError, match="Inception score"):
        inception.scores(np.zeros((9, 10)))


def test_kid_of_like_samples_is_about_zero_with_an_interval_that_says_so() -> None:
    held = 0
    for seed in range(6):
        a, b = rng(seed).normal(size=(2, 300, 6)).astype(np.float32)
        figure = kid.figure(a, b, rng(seed))
        held += figure.low <= 0.0 <= figure.high
    assert held >= 5


def test_precision_and_recall_see_the_two_kinds_of_failure() -> None:
    real = rng().normal(size=(300, 4))
    few = real[:3].repeat(100, axis=0) + 1e-3 * rng(1).normal(size=(300, 4))
    wide = np.concatenate([real[:150], 50.0 + rng(2).normal(size=(150, 4))])
    assert prdc.precision_hits(few, real).mean() == 1.0
    assert prdc.recall_hits(few, real).mean() < 0.1
    assert prdc.precision_hits(wide, real).mean() == 0.5


def test_distances_do_not_depend_on_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    points = rng().normal(size=(70, 5)).astype(np.float32)
    whole = prdc.squared_radii(points, 3)
    monkeypatch.setattr(prdc, "ELEMENTS", 200)
    np.testing.assert_allclose(prdc.squared_radii(points, 3), whole, rtol=1e-12)
    direct = np.sort(((points[:, None].astype(float) - points) ** 2).sum(-1), axis=1)[:, 3]
    np.testing.assert_allclose(whole, direct, rtol=1e-9)


@pytest.mark.parametrize("k", [0, 5])
def test_a_neighbour_that_is_not_there_is_refused(k: int) -> None:
    with pytest.raises(InputError, match="1 to N - 1"):
        prdc.squared_radii(np.zeros((5, 2)), k)


def test_held_out_samples_are_as_far_from_the_training_data_as_themselves() -> None:
    training, held_out = rng().normal(size=(2, 400, 4))
    found = audit.memorisation(held_out, training, held_out, rng(), space="x")
    assert found.closer.value == pytest.approx(0.5, abs=1e-9)
    assert not found.flagged
    copied = audit.memorisation(training, training, held_out, rng(), space="x")
    assert copied.closer.value == 1.0
    assert copied.flagged


def test_a_class_without_samples_is_neither_covered_nor_collapsed() -> None:
    points, labels = rng().normal(size=(20, 2)), np.repeat([0, 1], 10)
    (first, second), _ = classes.by_class(
        points[:10], labels[:10], points, labels, rng(), classes=range(2)
    )
    assert first.covered
    assert (second.count, second.covered, second.collapsed) == (0, False, False)


def test_coverage_of_many_samples_is_that_of_as_many_as_are_real_only_surer() -> None:
    real = rng().normal(size=(40, 3))
    generated = np.random.default_rng(1).normal(size=(40 * 200 + 39, 3))
    found = {}
    for count in (30, 40, 40 * 200 + 39):
        (report,), shares = classes.by_class(
            generated[:count], np.zeros(count, int), real, np.zeros(40, int), rng(), classes=[0]
        )
        found[count] = shares
        assert report.coverage == pytest.approx(shares.mean())
        assert report.expected_coverage == classes.expected_coverage(40, min(count, 40))
    assert set(found[30]) | set(found[40]) <= {0.0, 1.0}
    parts = found[40 * 200 + 39] * 200
    np.testing.assert_allclose(parts, parts.round(), atol=1e-9)
    assert len(set(parts.round().tolist())) > 10  # all parts count, not the first alone
    assert report.coverage == pytest.approx(report.expected_coverage, abs=0.05)
    one, many = (
        bootstrap.share(found[n], rng(), definition="x") for n in (40, len(generated))
    )  # fmt: skip
    assert many.high - many.low < one.high - one.low


def test_figures_that_are_not_finite_cannot_be_recorded() -> None:
    figure = Figure(
        value=float("nan"), low=0, high=1, interval="x", definition="x", count=1, better="lower"
    )
    with pytest.raises(ValueError, match="finite"):
        figure.as_dict()


def test_samples_that_are_not_finite_become_no_image() -> None:
    samples = torch.zeros(3, 1, 2, 2)
    samples[1, 0, 0, 0] = float("inf")
    with pytest.raises(InputError, match="1 of 3 with numbers that are not finite"):
        images.pixels(samples)


def test_bytes_come_back_within_one_level() -> None:
    samples = torch.linspace(-1, 1, 101).reshape(1, 1, 1, 101)
    back = images.signed(images.pixels(samples))
    assert float((samples - back).min()) >= -1e-6
    assert float((samples - back).max()) <= 2 / 255 + 1e-6
