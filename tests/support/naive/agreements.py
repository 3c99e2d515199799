"""What an agreement was, recomputed from the raw events one by one; imports nothing of the service.

Events are CloudEvents as dicts, in log order: from the store, the topic or an authority's feed.
"""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]


def _name(event: Event) -> str:
    return str(event["type"]).split(".")[-2]


def _of(events: list[Event], agreement_id: str, known: int) -> list[Event]:
    return [
        each for each in events if each["data"].get("agreement_id") == agreement_id and int(each["position"]) <= known
    ]


def in_force(events: list[Event], agreement_id: str, valid: str, known: int) -> dict[str, Any] | None:
    """The data of the version in force on ``valid`` (ISO date) as known at position ``known``; None for none.

    Term and notice end an agreement; that a commissioner became its own provider is not considered here.
    """
    chosen, last_day = None, "9999-12-31"
    for event in _of(events, agreement_id, known):
        data = event["data"]
        if _name(event) in ("AgreementSigned", "AgreementAmended"):
            last_day = min(last_day, data["agreement"].get("valid_until") or "9999-12-31")
            if data["effective_from"] <= valid:
                chosen = data
        elif _name(event) == "AgreementTerminated":
            last_day = min(last_day, data["last_day"])
    return chosen if chosen is not None and valid <= last_day else None


def state(events: list[Event], agreement_id: str, valid: str, known: int) -> str | None:
    """``draft``, ``upcoming``, ``in_force`` or ``ended``; None where nothing was known."""
    seen = _of(events, agreement_id, known)
    if not seen:
        return None
    signed = [each["data"] for each in seen if _name(each) in ("AgreementSigned", "AgreementAmended")]
    if not signed:
        return "draft"
    if valid < signed[0]["agreement"]["valid_from"]:
        return "upcoming"
    return "in_force" if in_force(events, agreement_id, valid, known) else "ended"


def approvals(events: list[Event], agreement_id: str, known: int) -> dict[int, list[str]]:
    """Parties that had approved, by version, in the order of their approvals."""
    found: dict[int, list[str]] = {}
    for event in _of(events, agreement_id, known):
        if _name(event) == "AgreementProposed":
            found.setdefault(event["data"]["version"], [])
        elif _name(event) == "AgreementApproved":
            found[event["data"]["version"]].append(event["data"]["party_id"])
    return found
