"""What a run says while it runs: from the first step, now and then, with nothing but numbers."""

from __future__ import annotations

import pytest

from drift.progress import progress


def test_a_log_has_the_first_step_the_last_and_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = 0.0
    with progress(
        "train x", 100, unit="images", each=32, lines=True, clock=lambda: seconds
    ) as advance:
        for step in range(1, 101):
            seconds = float(step)
            advance(step, {"loss": 230.123, "field/0.2": 0.5})
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "train x: 1 of 100, loss 230, field/0.2 0.5, 32 images/s, 2 min left",
        "train x: 31 of 100, loss 230, field/0.2 0.5, 32 images/s, 1 min left",
        "train x: 61 of 100, loss 230, field/0.2 0.5, 32 images/s, 39 s left",
        "train x: 91 of 100, loss 230, field/0.2 0.5, 32 images/s, 9 s left",
        "train x: 100 of 100, loss 230, field/0.2 0.5, 32 images/s, 0 s left",
    ]


def test_steps_of_an_earlier_process_are_shown_and_count_for_no_rate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = 0.0
    with progress("train x", 4000, done=3000, lines=True, clock=lambda: seconds) as advance:
        seconds = 10.0
        advance(3001)
    assert capsys.readouterr().err == ("train x: 3,001 of 4,000, 0.1 updates/s, 2 h 46 min left\n")


def test_what_was_there_before_may_be_known_at_the_first_call_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = 0.0
    with progress(
        "encode x", 1000, unit="images", done=None, lines=True, clock=lambda: seconds
    ) as to:
        for now, done in ((50.0, 200), (60.0, 250), (90.0, 400), (150.0, 1000)):
            seconds = now
            to(done)
    assert capsys.readouterr().err.splitlines() == [
        "encode x: 200 of 1,000",
        "encode x: 400 of 1,000, 5 images/s, 2 min left",
        "encode x: 1,000 of 1,000, 8 images/s, 0 s left",
    ]


def test_other_commands_and_other_processes_write_no_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for description, lines in (("sample", False), (None, True)):
        with progress(description, 10, lines=lines) as advance:
            advance(10, {"loss": 1.0})
    assert capsys.readouterr().err == ""
