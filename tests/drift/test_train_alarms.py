"""An alarm rings for what fell, not for what has not begun."""

from __future__ import annotations

from typing import Any

import pytest

from drift.train import alarms

HEALTHY = {"spread": 0.8, "overlap": 0.5, "floor/0.05": 0.1}


def said(spread: float, **more: Any) -> list[str]:
    return [text.partition(":")[0] for text in alarms.alarms(HEALTHY | {"spread": spread}, **more)]


def test_samples_that_were_wide_and_are_narrow_have_collapsed() -> None:
    assert said(0.01) == said(0.01, widest=0.5) == said(0.01, widest=0.5, warming=True)
    assert said(0.01) == ["collapse"]


@pytest.mark.parametrize("figures", [{}, {"overlap": 0.0, "floor/0.05": 1.0}])
def test_a_last_layer_that_begins_at_zero_has_not_collapsed(figures: dict[str, float]) -> None:
    """The first window of every run rang."""
    nothing = HEALTHY | figures | {"spread": 0.0}
    assert alarms.alarms(nothing, widest=0.0, warming=True) == []


def test_samples_that_never_spread_are_told_once_the_warm_up_is_over() -> None:
    assert said(0.01, widest=0.0) == ["no spread yet"]
    assert said(0.2, widest=0.0) == []


def test_other_alarms_ring_in_the_warm_up_of_a_run_that_has_begun() -> None:
    apart = HEALTHY | {"overlap": 0.0}
    assert len(alarms.alarms(apart, widest=0.5, warming=True)) == 1
