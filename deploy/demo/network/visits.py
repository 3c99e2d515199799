"""A stream of visits in the order in which they would have been recorded, from a seed, at tens of thousands a second.

Laws of the stream, each with a test: the same arguments give the same stream; exactly ``total`` visits are made; each
lies within the opening hours of its point; nothing is recorded after ``now``; a correction, a void or a document comes
after its visit. The shape of the days is in ``days``, what is asked for in ``demand``, the rest in ``afterwards``.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from deploy.demo.network.commands import Body, VisitCommand
from deploy.demo.network.days import DAY_SECONDS, busyness, next_working_day, offset, rfc3339
from deploy.demo.network.demand import PLACES, SLOT_BITS, Demand, lognormal_factors, make_demand, table
from deploy.demo.network.points import Point
from deploy.demo.network.written import Agreement

ACTS_IN_VISIT = table([(1, 76.0), (2, 18.5), (3, 4.5), (4, 1.0)])
"""1.3 on average."""
CUSTOMERS = table([(1, 88.0), (2, 10.0), (3, 1.4), (4, 0.6)])
LATE_REASONS = table([("paper_notes", 40.0), ("forgotten", 30.0), ("outage", 20.0), ("offline", 10.0)])
LENGTHS = lognormal_factors(0.5)
RUSH = table(
    [(0.06, 6.0), (0.14, 10.0), (0.2, 16.0), (0.3, 15.0), (0.42, 10.0), (0.55, 12.0), (0.7, 14.0), (0.85, 9.0)]
)
"""Where in the opening hours a visit begins, in steps: busy after opening and after noon."""
LATE_SHARE = 0.008
CHANGED_SHARE = 0.0055
DOCUMENT_SHARE = 0.035
"""Of the visits in which a paper was received, those whose paper got an entry of its own: some hundreds of 60,000."""
MORNING = 8 * 3600 + 1800

Entry = tuple[int, int, VisitCommand]
"""(second of the day of recording, serial number, command): sorts by time of recording, ties by order of making."""
Windows = list[tuple[int, int]]
"""Opening windows of a day in seconds: (start, length)."""


@dataclass(slots=True)
class Counter:
    """A point and what varies along the stream: its agreements now, and so what is asked for."""

    point: Point
    agreements: Sequence[Agreement]
    recorders: tuple[str, ...]
    demands: dict[tuple[object, ...], Demand] = field(default_factory=dict)

    def demand(self, day: dt.date) -> Demand:
        """The tables for ``day``; they change only with the agreements, and with the authorities at a year's turn."""
        in_force = [a for a in self.agreements if a.covers(day)]
        key = (day.year, *((a.id, a.version_on(day).number) for a in in_force))
        if key not in self.demands:
            self.demands[key] = make_demand(self.point, in_force, day)
        return self.demands[key]

    def windows(self, day: dt.date, until: int = DAY_SECONDS) -> Windows:
        """Opening windows of ``day``, cut at second ``until``; none while the point does not exist or is closed."""
        if day < self.point.open_from or (self.point.closed_in_july and day.month == 7) or not busyness(day):
            return []
        weekday = day.isoweekday()
        opened = ((a * 60, min(b * 60, until)) for d, a, b in self.point.hours if d == weekday)
        return [(start, end - start) for start, end in opened if end > start]

    def weight(self, day: dt.date, until: int = DAY_SECONDS) -> float:
        """Expected visits of the day; of a day cut short, in proportion to the hours that have passed."""
        passed = sum(length for _, length in self.windows(day, until))
        if not passed:
            return 0.0
        whole = sum(length for _, length in self.windows(day))
        days_open = len({weekday for weekday, _, _ in self.point.hours})
        return self.point.weekly / days_open * busyness(day) * passed / whole


@dataclass(slots=True)
class Shift:
    """A counter on one day: what the visits of that day have in common. Entries go to ``entries`` as they are made."""

    counter: Counter
    day: dt.date
    offset: str
    demand: Demand
    windows: Windows
    until: int
    entries: list[Entry]


Afterwards = Callable[["Stream", Shift, VisitCommand, int, int], None]
"""Called for a few visits with (stream, shift, visit, second of occurring, second of recording)."""


class Stream:
    """One run of the generator. ``history_reason``, when given, is the late reason of visits before ``now``'s day."""

    def __init__(
        self, rng: random.Random, counters: Sequence[Counter], now: dt.datetime, history_reason: str | None,
        change: Afterwards, document: Afterwards,
    ) -> None:  # fmt: skip
        self.rng = rng
        self.slot = partial(rng.getrandbits, SLOT_BITS)
        self.counters = counters
        self.today = now.date()
        self.until = now.hour * 3600 + now.minute * 60 + now.second
        self.history_reason = history_reason
        self.change = change
        self.document = document
        self.serial = 0
        self.postponed: dict[dt.date, list[Entry]] = defaultdict(list)

    def run(self, days: Sequence[dt.date], total: int) -> Iterator[VisitCommand]:
        """``total`` visits over ``days``: each (day, point) gets its share, the fractions carried over to the next."""
        plan = [(day, self._loads(day)) for day in days]
        weight = sum(load for _, loads in plan for _, load in loads)
        carry, made = 0.0, 0
        for day, loads in plan:
            entries = self.postponed.pop(day, [])
            for counter, load in loads:
                carry += load * total / weight
                count = round(carry - made)
                made += count
                if count:
                    self._visits(counter, day, count, entries)
            yield from _in_order(entries)
        for day in sorted(self.postponed):  # What was recorded after the last visit's day.
            yield from _in_order(self.postponed[day])
        self.postponed.clear()

    def _loads(self, day: dt.date) -> list[tuple[Counter, float]]:
        """Expected visits by point, each with the luck of the day.

        Points come in another order each day, so that the carried fraction does not always fall on the same ones.
        """
        until = self.limit(day)
        loads = [(c, c.weight(day, until) * self.rng.lognormvariate(0, 0.3)) for c in self.counters]
        loads = [(counter, load) for counter, load in loads if load]
        self.rng.shuffle(loads)
        return loads

    def limit(self, day: dt.date) -> int:
        """The second of ``day`` from which nothing has happened yet."""
        return DAY_SECONDS if day < self.today else self.until if day == self.today else 0

    def later(self, day: dt.date, working_days: int) -> tuple[dt.date, int] | None:
        """A moment in office hours some working days after ``day``, or nothing where that has not come yet."""
        day = next_working_day(day, working_days)
        second = MORNING + int(self.rng.random() * 7 * 3600)
        return (day, second) if second < self.limit(day) else None

    def add(self, shift: Shift, day: dt.date, second: int, command: VisitCommand) -> None:
        """Put a command into the stream at its time of recording."""
        self.serial += 1
        entries = shift.entries if day == shift.day else self.postponed[day]
        entries.append((second, self.serial, command))

    def uuid(self) -> str:
        """A random UUID (version 4) from the stream's own generator."""
        bits = f"{self.rng.getrandbits(124):031x}"
        return f"{bits[:8]}-{bits[8:12]}-4{bits[12:15]}-{'89ab'[int(bits[15], 16) & 3]}{bits[16:19]}-{bits[19:]}"

    def is_history(self, day: dt.date) -> bool:
        """Whether a visit of ``day`` needs :attr:`history_reason`."""
        return self.history_reason is not None and day < self.today

    def _visits(self, counter: Counter, day: dt.date, count: int, entries: list[Entry]) -> None:
        until = self.limit(day)
        shift = Shift(counter, day, offset(day), counter.demand(day), counter.windows(day, until), until, entries)
        for _ in range(count):
            self._visit(shift)

    def _visit(self, shift: Shift) -> None:
        draw, day = self.rng.random, shift.day
        second = self._second_in(shift.windows)
        body = self._body(shift, rfc3339(day, second, shift.offset))
        recorders = shift.counter.recorders
        recorder = recorders[int(draw() * len(recorders))]
        recorded = min(second + 40 + int(draw() * 500), shift.until - 1)
        moment = self.later(day, 1 + int(draw() ** 2 * 9)) if draw() < LATE_SHARE else None
        if moment:  # One to nine working days late, with the reason (R15).
            body["late_reason"] = LATE_REASONS[self.slot()]
        at = rfc3339(*moment) if moment else rfc3339(day, recorded, shift.offset)
        visit_id = self.uuid()
        made = VisitCommand("visit", visit_id, visit_id, body["service_point_id"], recorder, at, body)
        self.add(shift, *(moment or (day, recorded)), made)
        if moment:
            return
        if draw() < CHANGED_SHARE:
            self.change(self, shift, made, second, recorded)
        elif draw() < DOCUMENT_SHARE and any(act["task"] == "receive_document" for act in body["acts"]):
            self.document(self, shift, made, second, recorded)

    def _body(self, shift: Shift, occurred_at: str) -> Body:
        """A visit as the public interface takes it. By post or in the drop box nobody is present."""
        slot = self.slot
        channel = shift.demand.channels[slot()]
        body: Body = {
            "service_point_id": shift.counter.point.id,
            "occurred_at": occurred_at,
            "customers": 0 if channel in ("post", "drop_box") else CUSTOMERS[slot()],
            "language": shift.demand.languages[slot()],
            "place": PLACES[channel],
            "acts": self._acts(shift.demand, channel),
        }
        if self.is_history(shift.day):
            body["late_reason"] = self.history_reason
        return body

    def _acts(self, demand: Demand, channel: str) -> list[Body]:
        """One to four different acts over one channel; sorted, because the order of a set differs between runs."""
        draw, slot = self.rng.random, self.slot
        offered = demand.acts[channel]
        count = ACTS_IN_VISIT[slot()]
        chosen = [offered[slot()]] if count == 1 else sorted({offered[slot()] for _ in range(count)})
        return [
            {
                "authority_id": act.authority_id,
                "service": act.service,
                "task": act.task,
                "channel": channel,
                "quantity": 1 if draw() < 0.96 else 2,
                "minutes": int(act.minutes * LENGTHS[slot()]) + 1,
            }
            for act in chosen
        ]

    def _second_in(self, windows: Windows) -> int:
        """A second within the windows; arrivals gather where :data:`RUSH` says."""
        draw = self.rng.random
        total = sum(length for _, length in windows)
        place = int((RUSH[self.slot()] + (draw() - 0.4) * 0.15) % 1.0 * total)
        for start, length in windows:
            if place < length:
                return start + place
            place -= length
        raise AssertionError("the place lies within the windows' total length")


def _in_order(entries: list[Entry]) -> Iterator[VisitCommand]:
    entries.sort()
    return (command for _, _, command in entries)
