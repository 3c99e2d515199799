"""The clock and the zone. Deciders get their time as an argument; only the edges call :func:`now`."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

HELSINKI = ZoneInfo("Europe/Helsinki")


def now() -> dt.datetime:
    """The present in UTC, microseconds."""
    return dt.datetime.now(dt.UTC)


def helsinki(moment: dt.datetime) -> dt.datetime:
    """The same moment on the wall clock of Helsinki."""
    return moment.astimezone(HELSINKI)


def helsinki_day(moment: dt.datetime) -> dt.date:
    """The Helsinki date of a moment: the day of service, of a manifest, of a deadline."""
    return moment.astimezone(HELSINKI).date()


def day_bounds(day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """First moment of a Helsinki day and of the next; 23 or 25 hours apart when the clocks change."""
    start = dt.datetime.combine(day, dt.time(), HELSINKI)
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), HELSINKI)
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC)
