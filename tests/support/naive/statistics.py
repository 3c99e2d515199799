"""Every cube again, one event at a time in plain dicts, straight from the raw JSON. Imports nothing of ours.

cubes = fold(raw_events_of_any_topic_in_any_order)
cubes["acts_month"][("2026-10-01", "piste-732-1", "kela", …)]  # {"acts": 2, "quantity": 3, …}
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable
from zoneinfo import ZoneInfo

Key = tuple[object, ...]
Cubes = dict[str, dict[Key, dict[str, int]]]


def fold(raw_events: Iterable[bytes]) -> Cubes:
    """Cells with a count other than zero, per cube."""
    cubes: Cubes = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for raw in raw_events:
        event = json.loads(raw)
        kind, data = event["type"].split(".")[3], event["data"]
        if kind == "VisitRecorded":
            visit(cubes, data["service_point_id"], data["visit"], +1)
        elif kind == "VisitCorrected":
            visit(cubes, data["service_point_id"], data["before"], -1)
            visit(cubes, data["service_point_id"], data["after"], +1)
        elif kind == "VisitVoided":
            visit(cubes, data["service_point_id"], data["before"], -1)
        elif kind == "DocumentReceived":
            paper(cubes, data, data["service_day"], "received")
        elif kind == "DocumentForwarded":
            sent = dt.datetime.fromisoformat(data["forwarded_at"]).astimezone(ZoneInfo("Europe/Helsinki"))
            paper(cubes, data, sent.date().isoformat(), "forwarded")
        elif kind in {"InvoiceIssued", "CreditNoteIssued"}:
            invoice(cubes, data, kind == "CreditNoteIssued")
    return {name: kept for name, cells in cubes.items() if (kept := without_zeros(cells))}


def visit(cubes: Cubes, point: str, facts: dict, sign: int) -> None:  # type: ignore[type-arg]
    day, late = facts["service_day"], "late" in facts and facts["late"] is not None
    month, weekday = day[:8] + "01", dt.date.fromisoformat(day).isoweekday()
    asked = facts.get("language_asked") or "not_recorded"
    cell = cubes["visits_day"][day, point, facts["place"], facts["language"], asked, late]
    cell["visits"] += sign
    cell["customers"] += sign * facts["customers"]
    seen = set()
    for act in facts["acts"]:
        authority, channel = act["authority_id"], act["channel"]
        key = (
            month, point, authority, act["service"], act["task"], channel, facts["language"], act["performed_by"],
            act["coverage"]["status"], late,
        )  # fmt: skip
        cell = cubes["acts_month"][key]
        cell["acts"] += sign
        cell["quantity"] += sign * act["quantity"]
        if act.get("minutes") is not None:
            cell["minutes"] += sign * act["minutes"]
            cell["timed"] += sign
        cell = cubes["acts_day"][day, point, authority, channel]
        cell["acts"] += sign
        cell["quantity"] += sign * act["quantity"]
        if authority not in seen:
            cell["visits"] += sign
            seen.add(authority)
        cubes["acts_hour"][month, weekday, facts["hour"], point, authority]["acts"] += sign


def paper(cubes: Cubes, data: dict, day: str, count: str) -> None:  # type: ignore[type-arg]
    cubes["documents_day"][day, data["service_point_id"], data["authority_id"]][count] += 1


def invoice(cubes: Cubes, data: dict, credit: bool) -> None:  # type: ignore[type-arg]
    cell = cubes["invoices_month"][data["period"] + "-01", data["provider_id"], data["payer_id"]]
    cell["credit_notes" if credit else "invoices"] += 1
    for line in data["lines"]:
        euros, cents = line["amount"].split(".")
        amount = int(euros + cents)
        key = (line["service_month"] + "-01", data["provider_id"], line["commissioner_id"], data["payer_id"])
        cell = cubes["compensation_month"][key]
        cell["cents"] += amount
        if credit:
            cell["credited_cents"] += amount


def without_zeros(cells: dict[Key, dict[str, int]]) -> dict[Key, dict[str, int]]:
    """Cells in which something remains, and in them the counts that are not zero."""
    kept = {key: {name: count for name, count in counts.items() if count} for key, counts in cells.items()}
    return {key: counts for key, counts in kept.items() if counts}
