"""What one version's terms change in another's. Pure; for pages on which somebody decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.agreements import ITEMS

Terms = Mapping[str, Any]
PRICED = ("kind", "authority_id", "service", "task", "channel", "price", "included", "payer_id")


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``what`` names its kind (``tariff``, ``item`` …), ``key`` which one; None is *not there*."""

    what: str
    key: str
    before: Any
    after: Any


def difference(before: Terms, after: Terms) -> list[Change]:
    """Every change, in the order of the page: prices, tasks, services, pendency, VAT, items of §8."""
    return [
        *_by_key("tariff", _tariffs(before), _tariffs(after)),
        *_members("task", before["tasks"], after["tasks"]),
        *_members("service", _services(before), _services(after)),
        *_by_key("pendency", before["pendency"], after["pendency"]),
        *_by_key("vat", before.get("vat") or {}, after.get("vat") or {}),
        *_by_key("item", *({item: terms["items"].get(item) for item in ITEMS} for terms in (before, after))),
    ]


def _tariffs(terms: Terms) -> dict[str, dict[str, Any]]:
    return {each["item"]: {name: each.get(name) for name in PRICED} for each in terms["tariffs"]}


def _services(terms: Terms) -> list[str]:
    return [f"{each['authority_id']}:{each['code']}" for each in terms["services"]]


def _members(what: str, before: list[str], after: list[str]) -> list[Change]:
    gone = [Change(what, each, each, None) for each in before if each not in after]
    return gone + [Change(what, each, None, each) for each in after if each not in before]


def _by_key(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    keys = dict.fromkeys([*before, *after])
    return [Change(what, key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
