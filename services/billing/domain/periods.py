"""Months as periods of invoicing: calendar months in Helsinki, written ``2026-10``."""

from __future__ import annotations

import calendar
import datetime as dt


def first_day(month: str) -> dt.date:
    return dt.date(int(month[:4]), int(month[5:7]), 1)


def last_day(month: str) -> dt.date:
    start = first_day(month)
    return start.replace(day=calendar.monthrange(start.year, start.month)[1])


def days_in(month: str) -> int:
    return last_day(month).day


def month_of(day: dt.date) -> str:
    return f"{day.year:04d}-{day.month:02d}"


def following(month: str) -> str:
    """The month after."""
    return month_of(last_day(month) + dt.timedelta(days=1))


def months_between(first: str, last: str) -> list[str]:
    """Every month from ``first`` to ``last``, both included; none if ``first`` is later."""
    months = []
    while first <= last:
        months.append(first)
        first = following(first)
    return months


def is_over(month: str, today: dt.date) -> bool:
    """A month may be invoiced once its last day has passed."""
    return today > last_day(month)
