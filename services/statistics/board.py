"""What the dashboard shows, as figures and rows: a dozen questions to the cubes, asked in one snapshot.

The reader's reach shapes it: who sees one authority's acts only, or has chosen one authority, is shown *visits with an
act for it* where others are shown visits, and no customers; the two are never called by the same name (R11).
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from services.chassis.access import Limit
from services.statistics import cube
from services.statistics.domain import Question
from services.statistics.names import Names, load_names
from services.statistics.projection import NOT_ASKED

MONTHS_SHOWN = 4
MONTHS_LISTED = 60
DAYS_SHOWN = 92
FILTERS = ("region", "municipality", "point", "authority")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the form says: months (first days), and at most one value of each filter."""

    first: dt.date
    last: dt.date
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def end(self) -> dt.date:
        """The last day of the last month."""
        return self.last.replace(day=calendar.monthrange(self.last.year, self.last.month)[1])

    def pairs(self) -> list[tuple[str, str]]:
        """As parameters of a question."""
        return [("from", f"{self.first:%Y-%m}"), ("to", f"{self.last:%Y-%m}"), *self.filters.items()]

    def question(self, measures: Sequence[str], by: Sequence[str], **more: tuple[str, ...]) -> Question:
        """A question within the choice."""
        filters = {name: (value,) for name, value in self.filters.items()}
        return Question(tuple(measures), tuple(by), {**filters, **more}, self.first, self.end)


@dataclass(frozen=True, slots=True)
class Board:
    """Everything the page is made of; plain values, no texts."""

    choice: Choice
    today: dt.date
    names: Names
    visits: str
    """The measure shown as visits: ``visits``, or ``visits_with_authority`` where only that is defined."""
    totals: Mapping[str, Any]
    months: list[list[Any]]
    days: list[list[Any]]
    authorities: list[list[Any]]
    channels: list[list[Any]]
    hours: list[list[Any]]
    late: Mapping[bool, int]
    languages: list[list[Any]]
    points: list[list[Any]]
    """(code, acts, visits), the most acts first; so are the municipalities, and without visits the channels."""
    municipalities: list[list[Any]]

    @property
    def empty(self) -> bool:
        """Whether there is nothing in the period at all."""
        return not any(self.totals.values())

    def unmet(self) -> tuple[int, int]:
        """(visits served in another language than asked for, visits in which the language asked for was recorded)."""
        asked = [row for row in self.languages if row[1] != NOT_ASKED]
        return sum(row[2] for row in asked if row[0] != row[1]), sum(row[2] for row in asked)


@dataclass(frozen=True, slots=True)
class Span:
    """The months of which there are figures, the newest first, as first days."""

    months: tuple[dt.date, ...]


async def span(on: cube.Ground, today: dt.date) -> Span:
    """From the first month with a visit to the present one."""
    first = await on.connection.scalar(text(f"SELECT min(day) FROM {on.schema}.visits_day"))
    first = min(first or today, months_before(today, MONTHS_SHOWN - 1))
    months: list[dt.date] = []
    month = today.replace(day=1)
    while month >= first.replace(day=1) and len(months) < MONTHS_LISTED:
        months.append(month)
        month = months_before(month, 1)
    return Span(tuple(months))


def months_before(day: dt.date, count: int) -> dt.date:
    """The first day of the month ``count`` months before that of ``day``."""
    months = day.year * 12 + day.month - 1 - count
    return dt.date(months // 12, months % 12 + 1, 1)


def shown_limits(limits: Sequence[Limit]) -> tuple[Limit, ...]:
    """One page shows one view: whoever sees whole points is not also held to an authority's acts in others."""
    whole = tuple(limit for limit in limits if limit.authority_id is None)
    return whole or tuple(limits)


def one_authority(choice: Choice, limits: Sequence[Limit]) -> bool:
    """Whether the figures are those of a single authority, in which visits as such cannot be told."""
    return "authority" in choice.filters or any(limit.authority_id is not None for limit in limits)


async def load(on: cube.Ground, choice: Choice, limits: Sequence[Limit], language: str, today: dt.date) -> Board:
    """Ask everything, in one snapshot, so that all figures are of one moment."""
    apart = one_authority(choice, limits)
    visits = "visits_with_authority" if apart else "visits"

    async def rows(measures: Sequence[str], *by: str) -> list[list[Any]]:
        return (await cube.ask(on, choice.question(measures, by), limits)).answer.rows

    counted = [visits, "acts", "quantity"] if apart else [visits, "customers", "acts", "quantity"]
    months = await rows(counted, "month")
    entries = await rows(["acts"], "late") if apart else await rows(["visits"], "late", "language", "language_asked")
    points = await rows([visits, "acts"], "point", "municipality")
    return Board(
        choice,
        today,
        await load_names(on.connection, on.schema, language, min(choice.end, today)),
        visits,
        {code: sum(row[number] for row in months) for number, code in enumerate(counted, 1)},
        [[row[0], row[1], row[counted.index("acts") + 1]] for row in months],
        await rows([visits, "acts"], "day"),
        _largest(await rows(["acts", "visits_with_authority"], "authority")),
        _largest(await rows(["acts"], "channel")),
        await rows(["acts"], "weekday", "hour"),
        {late: sum(row[-1] for row in entries if row[0] is late) for late in (False, True)},
        [] if apart else [row[1:] for row in entries],
        _largest([[row[0], row[3], row[2]] for row in points]),
        _largest(_added([row[1], row[3], row[2]] for row in points)),
    )


def _largest(rows: Sequence[list[Any]]) -> list[list[Any]]:
    """Rows of (code, acts, …), the most acts first."""
    return sorted(rows, key=lambda row: -row[1])


def _added(rows: Iterable[list[Any]]) -> list[list[Any]]:
    """Rows of the same code added up; only for counts that add up over what lies in it, as points in a municipality."""
    found: dict[Any, list[Any]] = {}
    for code, *counts in rows:
        before = found.get(code, [code, *[0] * len(counts)])
        found[code] = [code, *(a + b for a, b in zip(before[1:], counts, strict=True))]
    return list(found.values())
