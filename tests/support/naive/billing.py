"""Billing done the slow way, one act and one day at a time, from the bare JSON of the events.

It imports none of the real one.

``acts`` folds the diary as a clerk would; ``due`` prices what is left by walking through every day. Money is Decimal.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CENT = Decimal("0.01")
Json = dict[str, Any]
Key = tuple[str, str, str, str, str, str, str, Decimal]
"""(payer, agreement, commissioner, month, item, VAT rate, clause, unit price)"""


def short(event: Json) -> str:
    return str(event["type"]).split(".")[-2]


def signed_acts(events: Iterable[Json]) -> Iterator[tuple[Any, ...]]:
    """The columns of billing's acts, in their order there, for each event in turn."""
    for event in events:
        data = event["data"]
        places = dict(place.rsplit(":", 1) for place in event.get("places", "").split())
        for part, sign in (("before", -1), ("visit", 1), ("after", 1)):
            facts = data.get(part)
            for act in facts["acts"] if facts else ():
                place = places.get(act["authority_id"])
                yield (
                    int(event["position"]), sign, act["act_no"], facts["service_day"], act["quantity"],
                    act.get("minutes"), int(place) if place else None, data["visit_id"], event["id"],
                    data["provider_id"], data["service_point_id"], act["authority_id"], act["service"], act["task"],
                    act["channel"], act["performed_by"],
                )  # fmt: skip


def standing(events: Iterable[Json]) -> list[tuple[Json, Json, int]]:
    """What each visit says now: (data, facts, position of its first event), by folding its stream."""
    now: dict[str, tuple[Json, Json, int]] = {}
    for event in sorted(events, key=lambda e: int(e["position"])):
        data = event["data"]
        visit = data["visit_id"]
        first = now[visit][2] if visit in now else int(event["position"])
        facts = data.get("visit") or data.get("after")
        if facts:
            now[visit] = (data, facts, first)
        else:
            now.pop(visit, None)
    return list(now.values())


class Terms:
    """The agreements as known, asked one day at a time."""

    def __init__(self, events: Iterable[Json]) -> None:
        self.versions: list[Json] = []
        self.ended: dict[str, str] = {}
        self.successions: list[Json] = []
        self.municipality: dict[str, str] = {}
        for event in sorted(events, key=lambda e: int(e["position"])):
            name, data = short(event), event["data"]
            if name in {"AgreementSigned", "AgreementAmended"}:
                self.versions.append({**data, "position": int(event["position"])})
            elif name == "AgreementTerminated":
                self.ended[data["agreement_id"]] = data["last_day"]
            elif name == "PartySucceeded":
                self.successions.append(data)
            elif name in {"ServicePointRegistered", "ServicePointChanged"}:
                self.municipality[data["service_point_id"]] = data["point"]["municipality_code"]

    def heir(self, party: str, municipality: str, day: str) -> str:
        seen = {party}
        while True:
            following = [
                s
                for s in self.successions
                if s["party_id"] == party
                and s["effective_from"] <= day
                and (not s.get("municipality_codes") or municipality in s["municipality_codes"])
            ]
            if not following or following[0]["successor_id"] in seen:
                return party
            party = min(following, key=lambda s: s["effective_from"])["successor_id"]
            seen.add(party)

    def in_force(self, day: str) -> Iterator[Json]:
        """The version of each agreement in force on a day, the agreement first known going first."""
        agreements: dict[str, list[Json]] = {}
        for version in self.versions:
            agreements.setdefault(version["agreement_id"], []).append(version)
        for agreement, versions in agreements.items():
            effective = [v for v in versions if v["effective_from"] <= day]
            if not effective:
                continue
            version = max(effective, key=lambda v: v["version"])
            until = min(version["agreement"].get("valid_until") or "9999", self.ended.get(agreement, "9999"))
            if version["agreement"]["valid_from"] <= day <= until:
                yield version


def _price(terms: Terms, version: Json, act: Json, heir: str, municipality: str, day: str) -> Json | None:
    """The tariff item of an act, most specific first; None where the act is out of scope or has no price."""
    body = version["terms"]
    codes = {s["code"] for s in body["services"] if terms.heir(s["authority_id"], municipality, day) == heir}
    if act["service"] not in codes or act["task"] not in body["tasks"]:
        return None
    fitting = [
        t
        for t in body["tariffs"]
        if t["kind"] != "fixed_monthly"
        and terms.heir(t["authority_id"], municipality, day) == heir
        and terms.heir(t.get("payer_id") or t["authority_id"], municipality, day) != version["agreement"]["provider_id"]
        and all(t.get(name) in (None, act[name]) for name in ("service", "task", "channel"))
    ]
    weight = {"service": 4, "task": 2, "channel": 1}
    fitting.sort(key=lambda t: (-sum(w for name, w in weight.items() if t.get(name)), t["item"]))
    return fitting[0] if fitting else None


def due(
    diary: Iterable[Json], agreements: Iterable[Json], provider: str, months: Iterable[str], opening: str
) -> dict[Key, tuple[int, Decimal]]:
    """Quantity and amount of every line due to ``provider`` for ``months``."""
    terms, wanted = Terms(agreements), set(months)
    units: dict[Key, int] = {}
    used: dict[tuple[str, ...], int] = {}
    entries = [
        (facts["service_day"], first, act["act_no"], data, act)
        for data, facts, first in standing(diary)
        for act in facts["acts"]
        if data["provider_id"] == provider and facts["service_day"][:7] in wanted
    ]
    for day, _, _, data, act in sorted(entries, key=lambda e: e[:3]):
        for key, quantity in _units(terms, data, act, day, used):
            units[key] = units.get(key, 0) + quantity
    lines = {key: (quantity, _rounded(quantity * key[-1])) for key, quantity in units.items() if quantity}
    return lines | _fees(terms, provider, sorted(m for m in wanted if m >= opening))


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def _units(
    terms: Terms, data: Json, act: Json, day: str, used: dict[tuple[str, ...], int]
) -> Iterator[tuple[Key, int]]:
    provider, point = data["provider_id"], data["service_point_id"]
    if act["authority_id"] == provider or act["performed_by"] != "adviser":
        return
    municipality = terms.municipality.get(point, "")
    heir = terms.heir(act["authority_id"], municipality, day)
    for version in terms.in_force(day):
        agreement = version["agreement"]
        served = {terms.heir(c, municipality, day) for c in agreement["commissioner_ids"]}
        if agreement["provider_id"] != provider or point not in agreement["service_point_ids"] or heir not in served:
            continue
        tariff = _price(terms, version, act, heir, municipality, day) if heir != provider else None
        if tariff is not None:
            yield _key(terms, version, tariff, heir, municipality, day), _quantity(tariff, version, act, day, used)
            return


def _quantity(tariff: Json, version: Json, act: Json, day: str, used: dict[tuple[str, ...], int]) -> int:
    quantity, minutes = int(act["quantity"]), act.get("minutes")
    if tariff["kind"] == "per_act":
        return quantity
    if tariff["kind"] == "per_minute":
        return int(minutes or 0)
    if tariff["kind"] == "per_started_minute":
        return 0 if minutes is None else max(1, int(minutes))
    quota = (version["agreement_id"], tariff["item"], day[:7])
    billed = 0
    for _ in range(quantity):
        used[quota] = used.get(quota, 0) + 1
        billed += used[quota] > (tariff.get("included") or 0)
    return billed


def _key(terms: Terms, version: Json, tariff: Json, heir: str, municipality: str, day: str) -> Key:
    payer = terms.heir(tariff.get("payer_id") or tariff["authority_id"], municipality, day)
    rate = (version["terms"].get("vat") or {}).get("rate") or ""
    price = Decimal(tariff["price"])
    return payer, version["agreement_id"], heir, day[:7], tariff["item"], rate, tariff["kind"], price


def _fees(terms: Terms, provider: str, months: list[str]) -> dict[Key, tuple[int, Decimal]]:
    """Fixed fees, day by day."""
    days: dict[Key, int] = {}
    for month in months:
        year, number = int(month[:4]), int(month[5:])
        for day in range(1, calendar.monthrange(year, number)[1] + 1):
            for key in _fees_of_day(terms, provider, dt.date(year, number, day).isoformat()):
                days[key] = days.get(key, 0) + 1
    found = {}
    for key, covered in days.items():
        length = calendar.monthrange(int(key[3][:4]), int(key[3][5:]))[1]
        found[key] = (covered, _rounded(key[-1] * covered / length))
    return found


def _fees_of_day(terms: Terms, provider: str, day: str) -> set[Key]:
    keys = set()
    for version in terms.in_force(day):
        agreement = version["agreement"]
        if agreement["provider_id"] != provider:
            continue
        home = terms.municipality.get(min(agreement["service_point_ids"]), "")
        for heir in {terms.heir(c, home, day) for c in agreement["commissioner_ids"]} - {provider}:
            for tariff in version["terms"]["tariffs"]:
                payer = terms.heir(tariff.get("payer_id") or tariff["authority_id"], home, day)
                if (
                    tariff["kind"] == "fixed_monthly"
                    and terms.heir(tariff["authority_id"], home, day) == heir
                    and payer != provider
                ):
                    keys.add(_key(terms, version, tariff, heir, home, day))
    return keys
