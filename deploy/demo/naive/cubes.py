"""What statistics must show of invoices, and how a table of figures is compared with a recount."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from deploy.demo.naive.evidence import demand

Event = dict[str, Any]


def compensation(events: Iterable[Event]) -> dict[tuple[str, str], Decimal]:
    """Euros invoiced by month of service and commissioner, credits taken off."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for event in events:
        for line in event["data"].get("lines", ()):
            sums[line["service_month"], line["commissioner_id"]] += Decimal(line["amount"])
    return sums


def documents_issued(events: Iterable[Event], kind: str) -> Counter[tuple[str]]:
    """Documents of a kind by the month that they invoice."""
    return Counter((event["data"]["period"],) for event in events if event["type"].split(".")[-2] == kind)


def check_cube(measure: str, rows: Sequence[Sequence[Any]], counted: Mapping[Any, int | Decimal]) -> None:
    """Every row shown is as counted by its key, a tuple; cells of nothing may be left out. Raises Refused."""
    shown = {tuple(row[:-1]): Decimal(str(row[-1])) for row in rows}
    demand(len(shown) == len(rows), f"{measure}: a row is shown twice")
    for key in shown.keys() | counted.keys():
        said, real = shown.get(key, Decimal(0)), Decimal(counted.get(key, 0))
        demand(said == real, f"{measure} of {', '.join(map(str, key))}: {said} is shown, {real} was counted")
