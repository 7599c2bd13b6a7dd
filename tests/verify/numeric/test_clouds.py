"""Clouds are what their kind says, the same for the same seed; a law is judged on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verify.api import CheckContext, Outcome
from verify.numeric.clouds import KINDS, Cloud, clouds, points
from verify.numeric.laws import judge_law


def drawn(kind: str, **changes: Any) -> Any:
    return Cloud(**{"seed": 3, "samples": 40, "features": 6, "kind": kind, "scale": 2.0, **changes})


@pytest.mark.parametrize("kind", KINDS)
def test_a_cloud_is_the_same_again_and_another_for_another_seed(kind: str) -> None:
    cloud = drawn(kind).points()
    assert cloud.shape == (40, 6)
    assert np.isfinite(cloud).all()
    assert np.array_equal(cloud, drawn(kind).points())
    assert not np.array_equal(cloud, drawn(kind, seed=4).points())
    assert np.array_equal(drawn(kind, scale=4.0).points(), 2.0 * cloud)


def test_each_kind_is_what_its_name_says() -> None:
    coincident, far = drawn("coincident").points(), drawn("far").points()
    assert all((coincident == row).all(axis=1).sum() >= 2 for row in coincident)
    assert np.abs(far).min() > 1e3 * far.std(axis=0).max()
    clustered = drawn("clustered").points()
    apart = np.linalg.norm(clustered[:, None] - clustered[None], axis=-1)
    assert ((apart < 0.1) | (apart > 0.5)).all()
    assert (apart < 0.1).sum() >= 40 * 40 / 3
    assert np.abs(drawn("random").points().mean()) < 4.0


def test_one_point_alone_is_a_cloud_of_every_kind() -> None:
    for kind in KINDS:
        assert drawn(kind, samples=1, features=1).points().shape == (1, 1)


def test_groups_are_clouds_of_their_own_and_a_kind_that_is_none_is_refused() -> None:
    width = np.array([1.0, 100.0])[:, None, None]
    groups = points(np.random.default_rng(0), (2, 50, 3), scale=width)
    assert 30 < groups[1].std() / groups[0].std() < 300
    with pytest.raises(ValueError, match="found 'tight'; expected one of random, clustered"):
        points(np.random.default_rng(0), (2, 2), kind="tight")


def context(**changes: Any) -> CheckContext:
    return CheckContext("THING-001", None, {}, 0.5, {}, Path(), examples=60, **changes)


def test_a_law_that_holds_passes_and_the_examples_are_counted() -> None:
    judged = judge_law(context(), clouds(), lambda cloud: 0.25, law="true")
    assert (judged.outcome, judged.reason) == (Outcome.PASS, "true: 60 examples")


def test_a_broken_law_names_the_smallest_counterexample() -> None:
    def error(cloud: Cloud) -> float:
        return 1.0 if cloud.kind == "coincident" and cloud.samples >= 3 else 0.0

    judged = judge_law(context(shrink=True), clouds(), error, law="no three coincide")
    assert judged.outcome is Outcome.FAIL
    smallest = "Cloud(seed=0, samples=3, features=1, kind='coincident', scale=0.01): 1"
    assert judged.reason == f"no three coincide; broken by {smallest}, allowed 0.5"


@pytest.mark.parametrize("shrink", [False, True])
def test_a_law_whose_error_is_once_no_number_is_broken(shrink: bool) -> None:
    def error(cloud: Cloud) -> float:
        return float("nan") if cloud.kind == "far" else 0.1

    judged = judge_law(context(shrink=shrink), clouds(), error, law="true")
    assert judged.outcome is Outcome.FAIL
    assert judged.measured == float("inf")
