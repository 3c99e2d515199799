"""What pages show of an agreement: names in the page's language, prices that align, the picture of its two times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from markupsafe import Markup

from schemas.agreements import ITEMS
from services.agreements import strips
from services.agreements.asof import AsOf
from services.agreements.difference import Change, difference
from services.agreements.queries import AgreementRows, VersionRow
from services.chassis.web.charts import Figure
from services.chassis.web.format import DASH, NO_BREAK_SPACE, Formatter
from services.chassis.web.shell import Web

FIGURE_SPACE = "\u2007"


@dataclass(frozen=True, slots=True)
class Words:
    """Names of parties, points and services on a day, and the page's language."""

    web: Web
    request: Request
    parties: Mapping[str, Mapping[str, str]]
    points: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    services: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def fmt(self) -> Formatter:
        return self.web.formatter(self.request)

    def text(self, key: str, **values: object) -> str:
        return self.web.text(self.request, key, **values)

    def name(self, names: Mapping[str, str] | None, otherwise: str) -> str:
        """The name in the page's language."""
        return names.get(self.web.language(self.request), names["fi"]) if names else otherwise

    def party(self, party_id: str) -> str:
        return self.name(self.parties.get(party_id), party_id)

    def point(self, point_id: str) -> str:
        point = self.points.get(point_id)
        return self.name(point["names"] if point else None, point_id)

    def service(self, authority_id: str, code: str) -> str:
        return self.name(self.services.get(f"{authority_id}:{code}"), code)

    def joined(self, names: Sequence[str]) -> str:
        """Names in a row, alphabetically."""
        return ", ".join(self.fmt.in_order(names))

    def price(self, amount: str, decimals_shown: int = 0) -> str:
        """Euros with the decimals as agreed, padded so that the decimal signs of a column stand under each other."""
        decimals = decimals_of(amount)
        padding = FIGURE_SPACE * (decimals_shown - decimals)
        return f"{self.fmt.number(amount, decimals)}{NO_BREAK_SPACE}€{padding}"


def decimals_of(amount: str) -> int:
    return len(amount.partition(".")[2])


def tariff_rows(words: Words, terms: Mapping[str, Any]) -> list[dict[str, str]]:
    """The price list: what is priced, how, for whom."""
    decimals = max((decimals_of(tariff["price"]) for tariff in terms["tariffs"]), default=2)
    return [
        {
            "item": tariff["item"],
            "what": priced_acts(words, tariff),
            "authority": words.party(tariff["authority_id"]),
            "kind": kind_of(words, tariff),
            "payer": words.party(tariff["payer_id"]) if tariff.get("payer_id") else DASH,
            "price": words.price(tariff["price"], decimals),
        }
        for tariff in terms["tariffs"]
    ]


def priced_acts(words: Words, tariff: Mapping[str, Any]) -> str:
    """The acts that an item prices, from its service, task and channel."""
    parts = [
        words.service(tariff["authority_id"], tariff["service"]) if tariff.get("service") else None,
        words.text(f"task.{tariff['task']}") if tariff.get("task") else None,
        words.text(f"channel.{tariff['channel']}") if tariff.get("channel") else None,
    ]
    named = [part for part in parts if part]
    if tariff["kind"] == "fixed_monthly":
        return words.text("agr.tariff.fixed_for")
    return " · ".join(named) if named else words.text("agr.tariff.all_other")


def kind_of(words: Words, tariff: Mapping[str, Any]) -> str:
    included = words.fmt.number(tariff["included"]) if tariff.get("included") is not None else ""
    return words.text(f"agr.tariff.kind.{tariff['kind']}", included=included)


def item_rows(words: Words, terms: Mapping[str, Any]) -> list[dict[str, str]]:
    """The twelve items of §8 with their numbers; an empty one says so."""
    return [
        {
            "key": f"{number}. {words.text(f'agr.item.{item}')}",
            "value": (terms["items"].get(item) or "").strip() or words.text("agr.item_missing"),
        }
        for number, item in enumerate(ITEMS, 1)
    ]


def service_groups(words: Words, terms: Mapping[str, Any]) -> list[dict[str, str]]:
    """The services by authority."""
    groups: dict[str, list[str]] = {}
    for ref in terms["services"]:
        groups.setdefault(ref["authority_id"], []).append(words.service(ref["authority_id"], ref["code"]))
    return [{"key": words.party(each), "value": words.joined(found)} for each, found in groups.items()]


def pendency_text(words: Words, pendency: Mapping[str, Any]) -> str:
    """Whether and until when papers count as received (R19, R21)."""
    clause = words.text("agr.pendency.at_receipt" if pendency["at_receipt"] else "agr.pendency.not_at_receipt")
    if pendency.get("closing_time"):
        hours, minutes = pendency["closing_time"].split(":")
        separator = ":" if words.web.language(words.request) == "en" else "."
        clock = f"{int(hours)}{separator}{minutes}"
        clause += " " + words.text("agr.pendency.until", time=clock)
    return clause


def vat_text(words: Words, vat: Mapping[str, Any] | None) -> str:
    if vat and vat.get("rate"):
        return words.text("agr.vat.rate", rate=words.fmt.number(vat["rate"], len(vat["rate"].partition(".")[2])))
    return words.text(f"agr.vat.{(vat or {}).get('exempt_reason') or 'viranomaistoiminta'}")


def change_rows(words: Words, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, str]]:
    """The difference between two versions as rows of a table: what, before, after."""
    return [_change(words, change, before, after) for change in difference(before, after)]


def _change(words: Words, change: Change, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    match change.what:
        case "tariff":
            return _tariff_change(words, change)
        case "service":
            name = words.service(*change.key.split(":", 1))
            return _there_or_not(words, f"{words.text('agr.change.service')}: {name}", change)
        case "task":
            what = f"{words.text('agr.change.task')}: {words.text(f'task.{change.key}')}"
            return _there_or_not(words, what, change)
        case "pendency":
            texts = [pendency_text(words, each["pendency"]) for each in (before, after)]
            return {"what": words.text("agr.pendency"), "before": texts[0], "after": texts[1]}
        case "vat":
            texts = [vat_text(words, each.get("vat")) for each in (before, after)]
            return {"what": words.text("agr.vat"), "before": texts[0], "after": texts[1]}
    none = words.text("agr.change.none")
    what = f"{ITEMS.index(change.key) + 1}. {words.text(f'agr.item.{change.key}')}"
    return {"what": what, "before": change.before or none, "after": change.after or none}


def _tariff_change(words: Words, change: Change) -> dict[str, str]:
    """A price alone as two figures; anything else in words."""
    before, after = change.before, change.after
    if before and after and before | {"price": after["price"]} == after:
        decimals = max(decimals_of(before["price"]), decimals_of(after["price"]))
        return {
            "what": f"{priced_acts(words, after)}, {kind_of(words, after)}",
            "before": words.price(before["price"], decimals),
            "after": words.price(after["price"], decimals),
            "figures": "yes",
        }
    shown = [_tariff_text(words, each) if each else words.text("agr.change.none") for each in (before, after)]
    return {"what": f"{words.text('agr.tariff.item')} {change.key}", "before": shown[0], "after": shown[1]}


def _there_or_not(words: Words, what: str, change: Change) -> dict[str, str]:
    yes, no = words.text("agr.change.agreed"), words.text("agr.change.none")
    return {"what": what, "before": yes if change.before else no, "after": yes if change.after else no}


def _tariff_text(words: Words, tariff: Mapping[str, Any]) -> str:
    return f"{priced_acts(words, tariff)}: {kind_of(words, tariff)}, {words.price(tariff['price'])}"


def version_rows(words: Words, answer: AsOf) -> list[dict[str, Any]]:
    """Every version known: when it rules, since when it is known, who approved it."""
    ruling = {span.version.version: span for span in answer.spans}
    return [_version_row(words, each, ruling.get(each.version), answer) for each in answer.versions]


def _version_row(words: Words, each: VersionRow, span: Any, answer: AsOf) -> dict[str, Any]:
    fmt = words.fmt
    known = answer.known.has(each.known_position, each.known_at)
    if span is not None:
        until = fmt.date(span.last) if span.last else ""
        rules = f"{fmt.date(span.first)} – {until}".rstrip()
    else:
        rules = words.text("agr.version.rules_nothing") if known else words.text("agr.version.not_in_force")
    approved = [a for a in each.approvals if answer.known.has(a["position"], a["recorded_at"])]
    return {
        "version": str(each.version),
        "effective_from": fmt.date(each.effective_from),
        "rules": rules,
        "signed_on": fmt.date(each.signed_on),
        "known": fmt.moment(each.known_at) if known else DASH,
        "approvals": [f"{words.party(a['party_id'])}, {fmt.moment(a['recorded_at'])}" for a in approved],
    }


def two_times(words: Words, rows: AgreementRows, today: dt.date) -> Figure | None:
    """The picture of valid against known time, with its table; None while nothing is in force."""
    found = strips.strips(rows, today)
    if not found:
        return None
    fmt = words.fmt
    title = words.text("agr.times.title")
    finding = words.text("agr.times.finding", versions=len(found[-1].answer.spans), moments=len(found))
    scale = strips.axis(found, today)
    labels = [fmt.moment(strip.moment) for strip in found]
    svg: Markup = strips.draw(
        found, today, id="times", title=title, finding=finding, labels=labels,
        today_label=words.text("agr.times.today"), day_labels=(fmt.date(scale.first), fmt.date(scale.last)),
    )  # fmt: skip
    columns = [
        {"key": "known", "label": words.text("agr.times.known_from"), "numeric": False, "sort": False},
        {"key": "version", "label": words.text("agr.version"), "numeric": True, "sort": False},
        {"key": "first", "label": words.text("agr.times.first"), "numeric": False, "sort": False},
        {"key": "last", "label": words.text("agr.times.last"), "numeric": False, "sort": False},
    ]
    table = [
        {
            "known": fmt.moment(strip.moment),
            "version": str(span.version.version),
            "first": fmt.date(span.first),
            "last": fmt.date(span.last),
        }
        for strip in found
        for span in strip.answer.spans
    ]
    return Figure("times", title, finding, svg, columns, table)
