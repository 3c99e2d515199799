"""Which version rules a day: the one bitemporal rule of agreements, in pure functions (R5).

Law: among the versions known by then, **the newest one rules from its effective day on, also backwards**, whatever an
older version had said about the days after. So a late amendment that takes effect earlier than one agreed before it
replaces that one wholly; its makers see this before they approve (``supersedes``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

ONE_DAY = dt.timedelta(days=1)


class Dated(Protocol):
    """A version of terms as the rule sees it."""

    @property
    def version(self) -> int: ...
    @property
    def effective_from(self) -> dt.date: ...


V = TypeVar("V", bound=Dated)


@dataclass(frozen=True, slots=True)
class Span(Generic[V]):
    """A version and the days it rules; ``last`` None is without end."""

    version: V
    first: dt.date
    last: dt.date | None


def spans(versions: Iterable[V], last_day: dt.date | None = None) -> list[Span[V]]:
    """The days of each version that rules any, oldest day first; ``last_day`` ends the whole."""
    found: list[Span[V]] = []
    end = last_day
    for version in sorted(versions, key=lambda each: -each.version):
        if end is None or version.effective_from <= end:
            found.append(Span(version, version.effective_from, end))
            end = version.effective_from - ONE_DAY
    return found[::-1]


def ruling(versions: Sequence[V], day: dt.date, last_day: dt.date | None = None) -> V | None:
    """The version in force on ``day``, or None before the first and after the last day."""
    if last_day is not None and day > last_day:
        return None
    return max((each for each in versions if each.effective_from <= day), key=lambda each: each.version, default=None)


def superseded_by(versions: Iterable[V], effective_from: dt.date) -> list[int]:
    """Versions that would rule no day more if a newer one took effect on ``effective_from``."""
    return sorted(span.version.version for span in spans(versions) if span.first >= effective_from)


def earliest(*days: dt.date | None) -> dt.date | None:
    """The first of the days that are given."""
    return min((day for day in days if day is not None), default=None)
