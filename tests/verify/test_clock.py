"""One date for every zone: what expires does so in one instant everywhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from verify import clock
from verify.run.engine import Options


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
