"""Where the time of a step goes: each second counts once, under the innermost name."""

from __future__ import annotations

import pytest

from drift import spans


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that says what the test puts in front of it."""
    said = [0.0]
    monkeypatch.setattr(spans.time, "perf_counter", lambda: said[0])
    return said


def test_a_span_within_another_counts_for_itself_alone(clock: list[float]) -> None:
    with spans.listening() as spent, spans.span("step"):
        clock[0] += 1.0
        with spans.span("queue"):
            clock[0] += 2.0
            with spans.span("load"):
                clock[0] += 4.0
        with spans.span("queue"):
            clock[0] += 8.0
    assert spent.seconds == {"step": 1.0, "queue": 10.0, "load": 4.0}
    assert sum(spent.taken().values()) == clock[0]
    assert spent.taken() == {}


def test_a_span_that_ends_in_an_error_is_closed(clock: list[float]) -> None:
    @spans.span("fails")
    def fails() -> None:
        clock[0] += 1.0
        raise ValueError

    with spans.listening() as spent:
        for _ in range(2):
            with pytest.raises(ValueError):  # noqa: PT011 - its own
                fails()
        with spans.span("after"):
            clock[0] += 1.0
    assert spent.seconds == {"fails": 2.0, "after": 1.0}


def test_what_is_heard_inside_is_not_heard_outside(clock: list[float]) -> None:
    """A row is computed with the functions of a step and is no part of one."""
    with spans.listening() as spent:
        with spans.listening(), spans.span("generate"):
            clock[0] += 1.0
        assert spent.seconds == {}


def test_nobody_listens() -> None:
    with spans.span("alone"):
        pass
    with spans.listening() as spent:
        pass
    assert spent.seconds == {}


def test_the_progress_line_names_what_takes_longest() -> None:
    seconds = {"loss": 3.0, "other": 0.5, "backward": 4.0, "generate": 2.5}
    assert spans.longest(seconds) == {"backward %": 40.0, "loss %": 30.0}
    assert spans.longest({}) == {}
