"""A provider's invoice series: the stream ``invoices:<provider>`` folded, and the decision that closes a run.

Numbers run without a gap from 1 within a year, because they are given under the lock of the log, to documents that
are appended in the same transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from schemas.base import EventData
from schemas.billing import BillingPeriodClosed, _Document
from services.billing.domain.documents import Draft, Run, numbered, serial_of
from services.billing.domain.periods import is_over
from services.chassis.errors import Conflict, Invalid


class Closing(NamedTuple):
    """A finished run: months up to ``period`` were brought to what was known at the cut-offs."""

    period: str
    diary: int
    agreements: int


@dataclass(frozen=True, slots=True)
class Series:
    """``closings``: the newest for every month, so later ones have smaller periods.

    ``opens``: the first month of fixed fees, settled by the first run; empty before it. An agreement may be older than
    the diary, and what was paid before is not invoiced again.
    """

    serials: Mapping[int, int] = field(default_factory=dict)
    closings: tuple[Closing, ...] = ()
    opens: str = ""

    @property
    def billed_until(self) -> str:
        """The last month ever brought up to date; empty before the first run."""
        return self.closings[0].period if self.closings else ""

    @property
    def known(self) -> tuple[int, int]:
        """Cut-offs (diary, agreements) up to which every billed month was brought; (0, 0) before the first run."""
        if not self.closings:
            return (0, 0)
        return min(c.diary for c in self.closings), min(c.agreements for c in self.closings)

    @property
    def latest(self) -> tuple[int, int]:
        """The largest cut-offs used: no later run may know less."""
        return max((c.diary for c in self.closings), default=0), max((c.agreements for c in self.closings), default=0)


def closed(series: Series, closing: Closing, opens: str | None) -> Series:
    """A run for a period replaces what earlier runs knew of the same and earlier months."""
    later = tuple(each for each in series.closings if each.period > closing.period)
    return replace(series, closings=(*later, closing), opens=series.opens or opens or closing.period)


def evolve(series: Series | None, event: EventData) -> Series:
    """Fold one event of the stream."""
    series = series or Series()
    if isinstance(event, BillingPeriodClosed):
        closing = Closing(event.period, event.cut_offs.diary, event.cut_offs.agreements)
        return closed(series, closing, event.opens)
    if isinstance(event, _Document):
        year = event.issued_on.year
        serial = max(series.serials.get(year, 0), serial_of(event.number))
        return replace(series, serials={**series.serials, year: serial})
    return series


def close(
    run: Run, drafts: Sequence[Draft], series: Series, *, version: int, expected: int, opens: str, today: dt.date
) -> list[_Document | BillingPeriodClosed]:
    """The events that end a run. ``expected``: stream version on which the drafts rest; another means that a run came
    between.
    """
    if not is_over(run.period, today):
        raise Invalid(
            "period_open", f"{run.period} is not over yet: invoice it from the next month on.", pointer="/period"
        )
    if version != expected:
        raise Conflict("run_overtaken", "Another run of this provider came between. Send the same request again.")
    serial = series.serials.get(today.year, 0)
    documents = [numbered(draft, run, serial + number, today) for number, draft in enumerate(drafts, start=1)]
    ended = BillingPeriodClosed(
        provider_id=run.provider_id,
        period=run.period,
        opens=opens,
        run_id=run.run_id,
        cut_offs=run.cut_offs,
        documents=tuple(document.number for document in documents),
    )
    return [*documents, ended]
