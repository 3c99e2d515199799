"""The terms of an agreement: tasks, services, the twelve items of §8, pendency, prices, VAT. Prices are invented."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from deploy.demo.network.catalogue import CATALOGUE, Service, tasks_on
from deploy.demo.network.commands import Body
from deploy.demo.network.parties import family_of, kind_of, since
from deploy.demo.network.tables import rows

ALL_TASKS = (
    "identify", "advise", "appoint", "receive_document", "hand_out", "collect_fee", "support", "sell", "mandate",
    "start_matter",
)  # fmt: skip
DOCUMENT_KINDS = ("application", "notification", "attachment")
PLANS = ("per_act", "started_minute", "remote_minute", "fixed", "included", "free")
PLAN_WEIGHTS = (42, 12, 12, 12, 19, 3)
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Offer:
    """What stays the same in every version of an agreement's terms, so that an amendment changes only what it means to.

    ``plans`` says how each commissioner pays; ``extra`` are services beyond the standard ones.
    """

    commissioner_ids: tuple[str, ...]
    language: str
    plans: tuple[str, ...]
    prices: tuple[Decimal, ...]
    extra: tuple[frozenset[str], ...]
    pendency: bool
    closing_time: str | None
    third_payer: bool


def make_offer(rng: random.Random, commissioner_ids: Sequence[str], language: str) -> Offer:
    plans = tuple(rng.choices(PLANS, PLAN_WEIGHTS)[0] for _ in commissioner_ids)
    return Offer(
        commissioner_ids=tuple(commissioner_ids),
        language=language,
        plans=plans,
        prices=tuple(Decimal(rng.randint(380, 890)) / 100 for _ in commissioner_ids),
        extra=tuple(_extra(rng, party) for party in commissioner_ids),
        pendency=rng.random() < 0.45,
        closing_time=rng.choice(("16:00", "16:00", "15:00", None)),
        third_payer=rng.random() < 0.5,
    )


def _extra(rng: random.Random, party_id: str) -> frozenset[str]:
    optional = [s.code for s in CATALOGUE[family_of(party_id)] if not s.standard]
    return frozenset(code for code in optional if rng.random() < 0.55)


def services_in(offer: Offer, party_id: str, day: dt.date) -> list[Service]:
    """The services agreed with one commissioner: its standard ones always (M5), and the extra ones."""
    extra = offer.extra[offer.commissioner_ids.index(party_id)]
    wanted = (s for s in CATALOGUE[family_of(party_id)] if s.standard or s.code in extra)
    return [s for s in wanted if max(s.since, since(party_id)) <= day]


def make_terms(offer: Offer, day: dt.date) -> Body:
    """Complete terms in force from ``day``."""
    selection = [(party, s) for party in offer.commissioner_ids for s in services_in(offer, party, day)]
    used = {task for _, service in selection for task in tasks_on(service, day)}
    tasks = [task for task in ALL_TASKS if task in used]
    return {
        "tasks": tasks,
        "services": [{"authority_id": party, "code": s.code} for party, s in selection],
        "items": dict(_ITEMS[offer.language]),
        "pendency": _pendency(offer, "receive_document" in used),
        "tariffs": _tariffs(offer, day, used),
        "vat": {"rate": None, "exempt_reason": "viranomaistoiminta"},
    }


def _pendency(offer: Offer, receives: bool) -> Body:
    """R21. A closing time is stated only for commissioners that the 16.15 rule of the state does not cover (R19)."""
    at_receipt = offer.pendency and receives
    outside_state = any(kind_of(party) != "state" for party in offer.commissioner_ids)
    return {
        "at_receipt": at_receipt,
        "kinds": list(DOCUMENT_KINDS) if at_receipt else [],
        "closing_time": offer.closing_time if receives and outside_state else None,
    }


def money(amount: Decimal) -> str:
    return str(amount.quantize(CENT, ROUND_HALF_UP))


def _tariffs(offer: Offer, day: dt.date, tasks: set[str]) -> list[Body]:
    items: list[Body] = []
    for party, plan, price in zip(offer.commissioner_ids, offer.plans, offer.prices, strict=True):
        chosen = services_in(offer, party, day)
        wanted = (item for item in _plan(plan, price, chosen) if item.get("task") in (None, *tasks))
        items += [{**_TARIFF, "authority_id": party, **item} for item in wanted]
        if any(s.code == "valtuudet" for s in chosen):
            items.append(_mandates(party, price, offer.third_payer))
    return [{"item": f"t{number}", **item} for number, item in enumerate(items, 1)]


_TARIFF: Body = {
    "kind": "per_act", "authority_id": "", "service": None, "task": None, "channel": None, "price": "0.00",
    "included": None, "payer_id": None,
}  # fmt: skip


def _mandates(party: str, price: Decimal, third_payer: bool) -> Body:
    """571/2016 §10 b: registration of mandates may be priced otherwise, and a third authority may pay."""
    return {
        **_TARIFF, "authority_id": party, "service": "valtuudet", "task": "mandate", "price": money(price * 3),
        "payer_id": "kela" if third_payer and party != "kela" else None,
    }  # fmt: skip


def _plan(plan: str, price: Decimal, services: Sequence[Service]) -> list[Body]:
    """Price items from the general to the narrow, so that for each act one is the narrowest."""
    general: Body = {"price": money(price)}
    if plan == "per_act":
        dear = [{"service": s.code, "price": money(price * 2)} for s in services[:2]]
        papers: Body = {"task": "receive_document", "price": money(price / 2)}
        phone: Body = {"channel": "phone", "price": money(price * Decimal("0.6"))}
        return [general, *dear, papers, phone]
    if plan == "started_minute":
        return [{"kind": "per_started_minute", "price": money(price / 9)}]
    if plan == "remote_minute":
        per_minute = str((price / 11).quantize(Decimal("0.0001"), ROUND_HALF_UP))
        return [general, {"kind": "per_minute", "channel": "remote", "price": per_minute}]
    if plan == "fixed":
        monthly = {"kind": "fixed_monthly", "price": money(price * 18)}
        return [monthly, {"price": money(price / 4)}]
    if plan == "included":
        volume = 10 + int(price * 4) % 6 * 10
        return [{"kind": "included_then_per_act", "included": volume, "price": money(price)}]
    return [{"price": "0.00"}]


_ITEMS = {language: {row["item"]: row[language] for row in rows("items")} for language in ("fi", "sv")}
"""The twelve items of §8 (keys as in schemas.agreements.ITEMS), in the language of the municipality's majority."""
