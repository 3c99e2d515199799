"""Which days the points are open, and how busy a day is. Shapes are believable, not measured."""

from __future__ import annotations

import datetime as dt
from functools import cache

import holidays

from services.chassis.clock import HELSINKI

DAY_SECONDS = 86_400
WEEKDAYS = (1.22, 1.1, 0.95, 1.0, 0.82, 0.45, 0.0)
"""Monday is the busiest, Saturday short."""
MONTHS = (1.08, 1.0, 1.0, 0.97, 0.95, 0.8, 0.62, 0.95, 1.04, 1.04, 1.06, 0.88)
"""January has the tax cards and the pensions' notices, July is quiet."""
BEFORE_MONTH_END = 1.3
"""On the last three working days rents and allowances are due."""
AFTER_MONTH_START = 1.18


@cache
def public_holidays(year: int) -> frozenset[dt.date]:
    """Days on which no point is open: holidays, and the eves of Midsummer and Christmas (728/2021 §5 a)."""
    days = set(holidays.country_holidays("FI", years=year))
    midsummer_eve = next(d for d in (dt.date(year, 6, n) for n in range(19, 26)) if d.isoweekday() == 5)
    return frozenset(days | {dt.date(year, 12, 24), midsummer_eve})


def is_working_day(day: dt.date) -> bool:
    return day.isoweekday() <= 5 and day not in public_holidays(day.year)


def next_working_day(day: dt.date, count: int = 1) -> dt.date:
    """The ``count``-th working day after ``day``."""
    while count:
        day += dt.timedelta(days=1)
        count -= is_working_day(day)
    return day


@cache
def busyness(day: dt.date) -> float:
    """How many visits a day draws beside an ordinary one; 0 where everything is closed."""
    if day in public_holidays(day.year):
        return 0.0
    factor = WEEKDAYS[day.weekday()] * MONTHS[day.month - 1]
    working = [d for d in _month(day) if is_working_day(d)]
    if day in working[-3:]:
        return factor * BEFORE_MONTH_END
    return factor * AFTER_MONTH_START if day in working[:2] else factor


def _month(day: dt.date) -> list[dt.date]:
    first = day.replace(day=1)
    return [d for d in (first + dt.timedelta(days=n) for n in range(31)) if d.month == day.month]


def offset(day: dt.date) -> str:
    """Helsinki's offset in opening hours, such as ``+02:00``: the clock is turned at night."""
    return dt.datetime.combine(day, dt.time(12), HELSINKI).isoformat()[19:]


def rfc3339(day: dt.date, second: int, zone: str | None = None) -> str:
    """The moment of a second of the local day. ``zone`` saves looking the offset up a million times."""
    return f"{day}{_MINUTES[second // 60]}{_SECONDS[second % 60]}{zone or offset(day)}"


_MINUTES = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(DAY_SECONDS // 60))
_SECONDS = tuple(f"{second:02d}" for second in range(60))
