"""Recording of intermediates."""

from __future__ import annotations

import threading

import pytest
import torch

from drift import trace


def test_nothing_is_recorded_outside_of_a_recording() -> None:
    assert not trace.active()
    trace.record("step32/dist", torch.ones(1))
    with trace.scope("conv1"):
        trace.record("step32/dist", torch.ones(1))
    with trace.recording() as recorded:
        assert trace.active()
    assert recorded == {}


def test_stages_keep_the_order_in_which_they_arose() -> None:
    with trace.recording() as recorded:
        for name in ("step32/scale", "step32/dist", "out/loss"):
            trace.record(name, torch.zeros(1))
    assert list(recorded) == ["step32/scale", "step32/dist", "out/loss"]


def test_a_recorded_stage_is_a_detached_copy() -> None:
    value = torch.ones(2, requires_grad=True)
    with trace.recording() as recorded:
        trace.record("x", value)
    with torch.no_grad():
        value.mul_(5.0)
    assert not recorded["x"].requires_grad
    assert recorded["x"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("lead", ["step32/", "step/"])
def test_a_stage_is_found_without_its_leading_folder(lead: str) -> None:
    with trace.recording() as recorded:
        trace.record(f"{lead}R0.2/f_norm", torch.tensor(3.0))
    assert recorded["R0.2/f_norm"] == 3.0
    assert "R0.2/f_norm" in recorded
    assert recorded.get("R0.2/f_norm") == 3.0
    assert recorded.get("f_norm") is None


def test_an_unknown_stage_is_named_with_those_there_are() -> None:
    with trace.recording() as recorded:
        trace.record("step32/dist", torch.zeros(1))
    with pytest.raises(KeyError, match="'scale'; recorded: step32/dist"):
        recorded["scale"]


def test_a_second_value_does_not_overwrite_the_first() -> None:
    with trace.recording() as recorded:
        for value in (1.0, 2.0, 3.0):
            trace.record("dist", torch.tensor(value))
    assert {name: value.item() for name, value in recorded.items()} == {
        "dist": 1.0,
        "dist#2": 2.0,
        "dist#3": 3.0,
    }


def test_scopes_nest_and_end() -> None:
    with trace.recording() as recorded:
        with trace.scope("conv1"):
            with trace.scope("mean"):
                trace.record("dist", torch.zeros(1))
            trace.record("dist", torch.zeros(1))
        trace.record("dist", torch.zeros(1))
    assert list(recorded) == ["conv1/mean/dist", "conv1/dist", "dist"]


def test_an_inner_recording_takes_the_stages_and_the_outer_one_resumes() -> None:
    with trace.recording() as outer:
        trace.record("before", torch.zeros(1))
        with trace.recording() as inner:
            trace.record("inside", torch.zeros(1))
        trace.record("after", torch.zeros(1))
    assert list(outer) == ["before", "after"]
    assert list(inner) == ["inside"]


def interrupted(recorded: list[str]) -> None:
    with trace.recording(), trace.scope("part"):
        recorded.append("entered")
        raise RuntimeError


def test_an_exception_ends_the_recording() -> None:
    entered: list[str] = []
    with pytest.raises(RuntimeError):
        interrupted(entered)
    assert entered
    assert not trace.active()


def test_a_recording_is_not_seen_by_another_thread() -> None:
    seen: list[bool] = []
    with trace.recording():
        thread = threading.Thread(target=lambda: seen.append(trace.active()))
        thread.start()
        thread.join()
    assert seen == [False]
