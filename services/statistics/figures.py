"""From the board's rows to charts in the reader's language: each states its finding and carries its table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from services.chassis.web.charts import Figure, bar_chart, heat_chart, line_chart
from services.chassis.web.format import Formatter
from services.statistics.board import DAYS_SHOWN, Board, months_before

BARS_SHOWN = 12
Text = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A chart and the address of its table as CSV."""

    figure: Figure
    csv_url: str


@dataclass(frozen=True, slots=True)
class Draw:
    """What every chart needs: the rows, the messages, the formats."""

    board: Board
    text: Text
    fmt: Formatter

    def csv(self, measures: str, by: str) -> str:
        """Address of the whole table behind a chart."""
        return "/download.csv?" + urlencode([("measures", measures), ("by", by), *self.board.choice.pairs()])

    def name(self, dimension: str, code: str | None) -> str:
        """A name for people; a code that has none is shown as it is."""
        if code is None:
            return self.text("chart.not_known")
        return self.board.names.of(dimension, code) or code


def charts(draw: Draw) -> list[Shown]:
    """All charts that have something to show, in the order of the page."""
    makers = (by_month, by_day, by_authority, by_channel, by_hour, by_point, by_municipality)
    return [shown for make in makers if (shown := make(draw)) is not None]


def _series(draw: Draw) -> tuple[str, str]:
    return draw.text(f"series.{draw.board.visits}"), draw.text("measure.acts.short")


def by_month(draw: Draw) -> Shown | None:
    board, found = draw.board, {row[0]: row[1:] for row in draw.board.months}
    months: list[str] = []
    month = board.choice.last
    while month >= board.choice.first:
        months.insert(0, f"{month:%Y-%m}")
        month = months_before(month, 1)
    if not found or len(months) < 2:
        return None
    values: list[Any] = [found.get(month, (0, 0)) for month in months]
    names = _series(draw)
    best = max(range(len(months)), key=lambda index: values[index][1])
    current = months[-1] == f"{board.today:%Y-%m}"
    finding = draw.text(
        "chart.month.finding_open" if current else "chart.month.finding",
        month=draw.fmt.month(months[best]),
        acts=draw.fmt.number(values[best][1]),
    )
    figure = line_chart(
        "by-month",
        draw.text("chart.month.title"),
        finding,
        [draw.fmt.short_month(month) for month in months],
        {name: [value[index] for value in values] for index, name in enumerate(names)},
        label=draw.text("dimension.month"),
        number=draw.fmt.number,
    )
    return Shown(figure, draw.csv(f"{board.visits},acts", "month"))


def by_day(draw: Draw) -> Shown | None:
    """The last days of the period. Days to come are a gap, not zeros."""
    board, found = draw.board, {row[0]: row[1:] for row in draw.board.days}
    if not found:
        return None
    last = board.choice.end
    first = max(board.choice.first, min(last, board.today) - dt.timedelta(days=DAYS_SHOWN - 1))
    days = [first + dt.timedelta(days=number) for number in range((min(last, board.today) - first).days + 1)]
    if not days:
        return None
    values: list[Any] = [found.get(day.isoformat(), (0, 0)) for day in days]
    names = _series(draw)
    best = max(range(len(days)), key=lambda index: values[index][1])
    figure = line_chart(
        "by-day",
        draw.text("chart.day.title"),
        draw.text("chart.day.finding", day=draw.fmt.long_date(days[best]), acts=draw.fmt.number(values[best][1])),
        [f"{day.day}.{day.month}." for day in days],
        {name: [value[index] for value in values] for index, name in enumerate(names)},
        label=draw.text("dimension.day"),
        number=draw.fmt.number,
    )
    return Shown(figure, draw.csv(f"{board.visits},acts", "day"))


def by_authority(draw: Draw) -> Shown | None:
    rows = [(draw.name("authority", row[0]), row[1]) for row in draw.board.authorities]
    if len(rows) < 2:
        return None
    finding = draw.text("chart.authority.finding", name=rows[0][0], share=_share(draw, rows[0][1], rows))
    return _bars(draw, "authority", finding, rows, "acts,visits_with_authority", "authority")


def by_channel(draw: Draw) -> Shown | None:
    rows = [(draw.text(f"channel.{row[0]}"), row[1]) for row in draw.board.channels]
    if not rows:
        return None
    finding = draw.text("chart.channel.finding", name=rows[0][0], share=_share(draw, rows[0][1], rows))
    return _bars(draw, "channel", finding, rows, "acts", "channel")


def by_point(draw: Draw) -> Shown | None:
    rows = [(draw.name("point", row[0]), row[1]) for row in draw.board.points]
    if len(rows) < 2:
        return None
    finding = draw.text("chart.point.finding", name=rows[0][0], acts=draw.fmt.number(rows[0][1]), n=len(rows))
    return _bars(draw, "point", finding, rows, f"{draw.board.visits},acts", "point", rest=False)


def by_municipality(draw: Draw) -> Shown | None:
    rows = [(draw.name("municipality", row[0]), row[1]) for row in draw.board.municipalities]
    if len(rows) < 2:
        return None
    finding = draw.text("chart.municipality.finding", name=rows[0][0], share=_share(draw, rows[0][1], rows))
    return _bars(draw, "municipality", finding, rows, f"{draw.board.visits},acts", "municipality", rest=False)


def _bars(
    draw: Draw,
    what: str,
    finding: str,
    rows: Sequence[tuple[str, int]],
    measures: str,
    by: str,
    *,
    rest: bool = True,
) -> Shown:
    """The largest; the rest as one bar where it tells something, else only said to be left out."""
    shown, left = list(rows[:BARS_SHOWN]), rows[BARS_SHOWN:]
    if left and rest:
        shown.append((draw.text("chart.rest", n=len(left)), sum(value for _, value in left)))
    elif left:
        finding += " " + draw.text("chart.largest", n=BARS_SHOWN)
    figure = bar_chart(
        f"by-{what}",
        draw.text(f"chart.{what}.title"),
        finding,
        shown,
        label=draw.text(f"dimension.{what}"),
        value_label=draw.text("measure.acts.short"),
        number=draw.fmt.number,
    )
    return Shown(figure, draw.csv(measures, by))


def _share(draw: Draw, value: int, rows: Sequence[tuple[str, int]]) -> str:
    total = sum(each for _, each in rows)
    return draw.fmt.percent(value / total if total else 0)


def by_hour(draw: Draw) -> Shown | None:
    """A grid of weekday and hour. Within the hours shown an empty cell is zero."""
    found = {(row[0], row[1]): row[2] for row in draw.board.hours}
    if not found:
        return None
    hours = range(min(hour for _, hour in found), max(hour for _, hour in found) + 1)
    weekdays = range(1, max(5, *(day for day, _ in found)) + 1)
    day, hour = max(found, key=lambda key: found[key])
    finding = draw.text(
        "chart.hour.finding",
        weekday=draw.fmt.weekday(day, short=False),
        hours=f"{hour}–{hour + 1}",
        acts=draw.fmt.number(found[day, hour]),
    )
    figure = heat_chart(
        "by-hour",
        draw.text("chart.hour.title"),
        finding,
        [draw.fmt.weekday(each) for each in weekdays],
        [str(each) for each in hours],
        [[found.get((each, hour), 0) for hour in hours] for each in weekdays],
        label=draw.text("dimension.weekday"),
        number=draw.fmt.number,
    )
    return Shown(figure, draw.csv("acts", "weekday,hour"))
