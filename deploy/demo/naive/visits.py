"""Visits folded one by one out of the diary's log, and counted the plainest way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

Event = dict[str, Any]
Visit = dict[str, Any]
"""The facts of a visit as they stand, with ``visit_id``, ``service_point_id``, ``provider_id``, and ``first``: where in
the log it begins."""


def standing(events: Iterable[Event], cut_off: int | None = None) -> dict[str, Visit]:
    """The visits that stand after the events up to ``cut_off``, by id."""
    visits: dict[str, Visit] = {}
    for event in events:
        if cut_off is not None and int(event["position"]) > cut_off:
            break
        data = event["data"]
        kind = event["type"].split(".")[-2]
        if kind == "VisitVoided":
            del visits[data["visit_id"]]
        elif kind in ("VisitRecorded", "VisitCorrected"):
            facts = data["visit"] if kind == "VisitRecorded" else data["after"]
            known = {name: data[name] for name in ("visit_id", "service_point_id", "provider_id")}
            first = visits.get(data["visit_id"], {}).get("first", int(event["position"]))
            visits[data["visit_id"]] = {**facts, **known, "first": first}
    return visits


def month_of(visit: Visit) -> str:
    return str(visit["service_day"][:7])


def count_visits(visits: Iterable[Visit]) -> Counter[str]:
    """Visits by month."""
    return Counter(month_of(visit) for visit in visits)


def count_customers(visits: Iterable[Visit]) -> Counter[str]:
    """Heads present by month."""
    counts: Counter[str] = Counter()
    for visit in visits:
        counts[month_of(visit)] += visit["customers"]
    return counts


def count_acts(visits: Iterable[Visit]) -> Counter[tuple[str, str]]:
    """Acts by month and authority."""
    return Counter((month_of(visit), act["authority_id"]) for visit in visits for act in visit["acts"])


def signed_acts(events: Iterable[Event]) -> Counter[tuple[Any, ...]]:
    """Every act that an event adds or takes back, as the rows that billing must keep of it."""
    rows: Counter[tuple[Any, ...]] = Counter()
    for event in events:
        data = event["data"]
        for name, sign in (("visit", 1), ("after", 1), ("before", -1)):
            for act in data.get(name, {}).get("acts", ()):
                rows[
                    int(event["position"]), sign, act["act_no"], data[name]["service_day"], data["service_point_id"],
                    act["authority_id"], act["service"], act["task"], act["channel"], act["quantity"],
                    act.get("minutes"),
                ] += 1  # fmt: skip
    return rows
