"""What is due, computed act by act and day by day from the raw events: the second opinion on every invoice.

Slow and plain: dictionaries, loops and ``Decimal``. The rules are those of the agreement (223/2007 §§ 5 a, 8): the
version in force on the day of the act prices it; a successor stands in its predecessor's place; the item that names a
service beats one that does not, then task, then channel; a line is rounded half up to cents once.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from deploy.demo.naive.visits import Visit, month_of

Event = dict[str, Any]
CENT = Decimal("0.01")


class Key(NamedTuple):
    """What one line of an invoice is about."""

    provider: str
    payer: str
    agreement: str
    commissioner: str
    month: str
    item: str
    clause: str
    price: str


class Due(NamedTuple):
    quantity: int
    amount: Decimal


class Priced(NamedTuple):
    """How an act is priced: by which agreement and version, which item, for whom."""

    agreement: str
    version: int
    commissioner: str
    payer: str
    item: Event


class Terms:
    """The agreements log folded up to a position."""

    def __init__(self, events: Iterable[Event], cut_off: int | None = None) -> None:
        self.versions: dict[str, list[Event]] = defaultdict(list)
        self.last_day: dict[str, str] = {}
        self.municipality: dict[str, str] = {}
        self._successions: list[Event] = []
        self._at_point: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._heirs: dict[tuple[str, str, str], str] = {}
        self._prices: dict[tuple[str, ...], Priced | None] = {}
        for event in events:
            if cut_off is None or int(event["position"]) <= cut_off:
                self._fold(event["type"].split(".")[-2], event)

    def _fold(self, kind: str, event: Event) -> None:
        data = event["data"]
        if kind in ("AgreementSigned", "AgreementAmended"):
            self.versions[data["agreement_id"]].append({**data, "position": int(event["position"])})
            for point in data["agreement"]["service_point_ids"]:
                found = self._at_point[data["agreement"]["provider_id"], point]
                if data["agreement_id"] not in found:
                    found.append(data["agreement_id"])
        elif kind == "AgreementTerminated":
            self.last_day[data["agreement_id"]] = data["last_day"]
        elif kind == "PartySucceeded":
            self._successions.append(data)
        elif kind in ("ServicePointRegistered", "ServicePointChanged"):
            self.municipality[data["service_point_id"]] = data["point"]["municipality_code"]

    def heir(self, party: str, municipality: str, day: str) -> str:
        """Who holds the party's tasks in a municipality on a day."""
        key = (party, municipality, day)
        if key not in self._heirs:
            seen = {party}
            while (follower := self._follower(party, municipality, day)) and follower not in seen:
                seen.add(follower)
                party = follower
            self._heirs[key] = party
        return self._heirs[key]

    def _follower(self, party: str, municipality: str, day: str) -> str | None:
        found = [
            (each["effective_from"], number, each["successor_id"])
            for number, each in enumerate(self._successions)
            if each["party_id"] == party and municipality in (each.get("municipality_codes") or [municipality])
        ]
        first = min(found, default=None)
        return first[2] if first and first[0] <= day else None

    def in_force(self, agreement: str, day: str) -> Event | None:
        """The version in force on a day, if the agreement covers it."""
        begun = [version for version in self.versions[agreement] if version["effective_from"] <= day]
        if not begun:
            return None
        version = max(begun, key=lambda each: int(each["version"]))
        parts = version["agreement"]
        last = min(parts.get("valid_until") or "9999-12-31", self.last_day.get(agreement, "9999-12-31"))
        return version if parts["valid_from"] <= day <= last else None

    def price_of(self, visit: Visit, act: Event) -> Priced | None:
        """The one item that prices an act, or None if nobody pays for it: the provider's own, or not by its adviser."""
        provider, point, day = visit["provider_id"], visit["service_point_id"], visit["service_day"]
        if act["authority_id"] == provider or act["performed_by"] != "adviser":
            return None
        key = (provider, point, act["authority_id"], act["service"], act["task"], act["channel"], day)
        if key not in self._prices:
            found = [p for agreement in self._at_point[provider, point] for p in self._offers(agreement, key)]
            self._prices[key] = min(found, key=lambda each: each[0])[1] if found else None
        return self._prices[key]

    def _offers(self, agreement: str, key: tuple[str, ...]) -> Iterator[tuple[tuple[Any, ...], Priced | None]]:
        """(rank, price) of each side of an agreement that covers the act's authority; a price goes before none."""
        provider, point, authority, service, task, channel, day = key
        version = self.in_force(agreement, day)
        if version is None:
            return
        place = self.municipality[point]
        holder = self.heir(authority, place, day)
        if holder not in {self.heir(party, place, day) for party in version["agreement"]["commissioner_ids"]}:
            return
        terms = version["terms"]
        codes = {each["code"] for each in terms["services"] if self.heir(each["authority_id"], place, day) == holder}
        found = None
        rank = 2
        if holder != provider and service in codes and task in terms["tasks"]:
            found = self._best(version, holder, (service, task, channel), place, day)
            rank = 0 if found else 1
        yield (rank, self.versions[agreement][0]["position"], agreement), found

    def _best(self, version: Event, holder: str, wanted: tuple[str, str, str], place: str, day: str) -> Priced | None:
        fitting = []
        for item, payer in self.items(version, holder, place, day):
            named = (item.get("service"), item.get("task"), item.get("channel"))
            pairs = zip(named, wanted, strict=True)
            if item["kind"] != "fixed_monthly" and all(name in (None, value) for name, value in pairs):
                fitting.append((tuple(name is None for name in named), item["item"], item, payer))
        if not fitting:
            return None
        _, _, item, payer = min(fitting, key=lambda each: each[:2])
        return Priced(version["agreement_id"], version["version"], holder, payer, item)

    def items(self, version: Event, holder: str, place: str, day: str) -> Iterator[tuple[Event, str]]:
        """The price items of one side with their payers; nobody pays itself."""
        for item in version["terms"]["tariffs"]:
            payer = self.heir(item.get("payer_id") or item["authority_id"], place, day)
            if self.heir(item["authority_id"], place, day) == holder and payer != version["agreement"]["provider_id"]:
                yield item, payer


def due(visits: Iterable[Visit], terms: Terms, opens: Mapping[str, str], period: str) -> dict[Key, Due]:
    """Every line that must have been invoiced once the runs for ``period`` are done, for the providers in ``opens``.

    ``opens``: the first month of fixed fees of each provider.
    """
    units: dict[Key, int] = defaultdict(int)
    used: dict[tuple[str, ...], int] = defaultdict(int)
    mine = (v for v in visits if v["provider_id"] in opens and month_of(v) <= period)
    for visit in sorted(mine, key=lambda each: each["service_day"]):
        for act in visit["acts"]:
            _count(visit, act, terms, units, used)
    lines = {key: Due(quantity, cents(Decimal(key.price) * quantity)) for key, quantity in units.items() if quantity}
    return lines | fixed(terms, opens, period)


def _count(visit: Visit, act: Event, terms: Terms, units: dict[Key, int], used: dict[tuple[str, ...], int]) -> None:
    provider, day = visit["provider_id"], visit["service_day"]
    priced = terms.price_of(visit, act)
    if priced is None:
        return
    item = priced.item
    quota = (priced.agreement, priced.payer, item["item"], day[:7])
    before = used[quota]
    used[quota] += act["quantity"]
    key = Key(
        provider, priced.payer, priced.agreement, priced.commissioner, day[:7], item["item"], item["kind"],
        plain(item["price"]),
    )  # fmt: skip
    units[key] += billed_units(item, act, before)


def billed_units(item: Event, act: Event, before: int) -> int:
    """What of an act is multiplied by the price; ``before``: quantities of the item earlier in the month."""
    quantity: int = act["quantity"]
    minutes: int | None = act.get("minutes")
    if item["kind"] == "per_act":
        return quantity
    if item["kind"] == "included_then_per_act":
        return quantity - min(max((item.get("included") or 0) - before, 0), quantity)
    if minutes is None:
        return 0
    return max(minutes, 1) if item["kind"] == "per_started_minute" else minutes


def fixed(terms: Terms, opens: Mapping[str, str], period: str) -> dict[Key, Due]:
    """Monthly fees, day by day: price × covered days / days of the month."""
    days: dict[Key, int] = defaultdict(int)
    for agreement, versions in terms.versions.items():
        provider = versions[0]["agreement"]["provider_id"]
        has_fee = any(item["kind"] == "fixed_monthly" for v in versions for item in v["terms"]["tariffs"])
        if provider in opens and has_fee:
            for day in days_of(opens[provider], period):
                for key in _fees_of(terms, agreement, provider, day):
                    days[key] += 1
    return {key: Due(n, cents(Decimal(key.price) * n / days_in(key.month))) for key, n in days.items()}


def _fees_of(terms: Terms, agreement: str, provider: str, day: str) -> set[Key]:
    version = terms.in_force(agreement, day)
    if version is None:
        return set()
    place = terms.municipality[min(version["agreement"]["service_point_ids"])]
    holders = {terms.heir(party, place, day) for party in version["agreement"]["commissioner_ids"]} - {provider}
    return {
        Key(provider, payer, agreement, holder, day[:7], item["item"], item["kind"], plain(item["price"]))
        for holder in holders
        for item, payer in terms.items(version, holder, place, day)
        if item["kind"] == "fixed_monthly"
    }


def openings(events: Iterable[Event], period: str) -> dict[str, str]:
    """The month of each provider's first recorded visit, at the latest ``period``: from then on fixed fees are due."""
    found: dict[str, str] = {}
    for event in events:
        if event["type"].split(".")[-2] == "VisitRecorded":
            month = min(event["data"]["visit"]["service_day"][:7], period)
            found.setdefault(event["data"]["provider_id"], month)
    return found


def days_of(first: str, last: str) -> Iterator[str]:
    """Every day from the first of one month to the last of another."""
    day = dt.date.fromisoformat(f"{first}-01")
    while (text := day.isoformat())[:7] <= last:
        yield text
        day += dt.timedelta(days=1)


def days_in(month: str) -> int:
    return calendar.monthrange(int(month[:4]), int(month[5:]))[1]


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def plain(price: str) -> str:
    """A price without zeros that say nothing, so that "6.4" and "6.4000" are one."""
    return format(Decimal(price).normalize(), "f")
