"""The one clock of the harness. It reads UTC, so that a date is the same wherever it is asked for.

Waivers expire and signatures are dated by `today`; a verdict that depended on the zone of the
machine would be GO and NO-GO in one instant.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

__all__ = ["now", "today"]


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """The date in UTC."""
    return now().date()
