"""One date for every zone: what expires does so in one instant everywhere."""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import drift
import verify
from verify import clock
from verify.run.engine import Options

READS = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime", "ctime", "strftime"}
OF_FILES = (
    "workers/watch.py",
    "spec/sources.py",
    "reproduce/digests.py",
)  # they compare with the times of files


def clocks_read(tree: ast.Module) -> list[str]:
    """Calls that read the time of day, `time.time()` or `date.today()`, but for those in UTC."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [call for call in calls if isinstance(call.func, ast.Attribute) and reads(call.func)]
    return [text for text in map(ast.unparse, found) if text != "datetime.now(UTC)"]


def reads(function: ast.Attribute) -> bool:
    owner = ast.unparse(function.value).split(".")[-1]
    return function.attr in READS and owner in ("datetime", "date", "time")


def test_one_place_of_the_harness_reads_the_date_and_all_read_it_in_utc() -> None:
    harness, engine = Path(verify.__file__).parent, Path(drift.__file__).parent
    for path in (*harness.rglob("*.py"), *engine.rglob("*.py")):
        if path.as_posix().endswith(OF_FILES):
            continue
        text = path.read_text(encoding="utf-8")
        assert clocks_read(ast.parse(text)) == [], path
        if path.is_relative_to(harness) and path.name != "clock.py":
            assert "datetime.now(" not in text, path


@pytest.mark.parametrize(
    "line", ["time.time()", "date.today()", "datetime.datetime.now()", "datetime.utcnow()"]
)
def test_another_clock_would_be_found(line: str) -> None:
    assert clocks_read(ast.parse(line)) == [line]


def test_the_tests_began_when_they_were_asked_to() -> None:
    begin = os.environ.get("TESTS_BEGIN_AT")
    if begin is None:
        pytest.skip("TESTS_BEGIN_AT is not set")
    passed = clock.now() - datetime.fromisoformat(begin)
    assert timedelta() <= passed < timedelta(days=1)


@pytest.fixture(params=["Pacific/Kiritimati", "Etc/GMT+12", "UTC", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine stands in one zone after another: fourteen hours ahead, twelve behind."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_the_date_is_that_of_utc_in_every_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            assert tz is UTC, "asked for the time of the zone"
            return datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)

    monkeypatch.setattr(clock, "datetime", Stopped)
    assert clock.today().isoformat() == "2026-12-31"
    assert Options(subject="thing").began.date() == clock.today()
