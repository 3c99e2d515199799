"""A tiny truth for the proofs of the demonstration: three visits, one corrected, one voided, and one agreement."""

from __future__ import annotations

import copy
import json
from typing import Any

from deploy.demo.naive.evidence import sha256
from deploy.demo.naive.log import Row
from deploy.demo.naive.topic import Record, home_of

Event = dict[str, Any]
AGREEMENT = "5a353e81-d154-5e63-9efd-20d9d63b7cf9"


def _act(number: int, authority: str, quantity: int = 1) -> Event:
    return {
        "act_no": number, "authority_id": authority, "service": "elakkeet" if authority == "kela" else "omavero",
        "task": "advise", "channel": "counter", "quantity": quantity, "minutes": 10, "performed_by": "adviser",
        "coverage": {"status": "in_force", "agreements_position": 1},
    }  # fmt: skip


def _facts(*acts: Event, late: bool = False) -> Event:
    facts = {
        "occurred_at": "2026-10-05T10:15:00+03:00", "service_day": "2026-10-05", "hour": 10, "customers": 1,
        "language": "fi", "place": "point", "acts": list(acts),
    }  # fmt: skip
    return facts | ({"late": {"reason": "forgotten", "days": 2}} if late else {})


def _event(position: int, kind: str, number: int, places: str, **facts: Any) -> Event:
    return {
        "id": f"event-{position}", "source": "/apudiaari/diary", "type": f"fi.yhteispalvelu.diary.{kind}.v1",
        "time": "2026-10-05T10:15:00+03:00", "recordedtime": f"2026-10-07T08:00:00.{position:06d}Z",
        "position": str(position), "places": places,
        "data": {
            "visit_id": f"visit-{number}", "service_point_id": "piste-732-1" if number < 3 else "piste-732-2",
            "provider_id": "kunta-732", "recorder": "pseudonym", **facts,
        },
    }  # fmt: skip


_FIRST = _facts(_act(1, "kela"), _act(2, "vero"), late=True)
_SECOND, _MENDED = _facts(_act(1, "vero"), _act(2, "kela", 2)), _facts(_act(1, "vero"), _act(2, "kela", 3))
_THIRD = _facts(_act(1, "kela", 7))
DIARY: list[Event] = [
    _event(1, "VisitRecorded", 1, "kela:1 vero:1", visit=_FIRST),
    _event(2, "VisitRecorded", 2, "kela:2 vero:2", visit=_SECOND),
    _event(3, "VisitCorrected", 2, "kela:3 vero:3", reason="wrong_quantity", before=_SECOND, after=_MENDED),
    _event(4, "VisitRecorded", 3, "kela:4", visit=_THIRD),
    _event(5, "VisitVoided", 3, "kela:5", reason="mistake", before=_THIRD),
]

_ITEM = {"authority_id": "kela", "service": None, "task": None, "channel": None, "included": None, "payer_id": None}
_VERSION = {
    "agreement_id": AGREEMENT, "version": 1, "effective_from": "2021-01-01",
    "agreement": {
        "provider_id": "kunta-732", "commissioner_ids": ["kela"], "service_point_ids": ["piste-732-1", "piste-732-2"],
        "valid_from": "2021-01-01",
    },
    "terms": {
        "tasks": ["advise"], "services": [{"authority_id": "kela", "code": "elakkeet"}],
        "tariffs": [
            {**_ITEM, "item": "t1", "kind": "per_act", "price": "6.40"},
            {**_ITEM, "item": "f1", "kind": "fixed_monthly", "price": "100.00"},
        ],
    },
}  # fmt: skip


def _agreement_event(position: int, kind: str, data: Event) -> Event:
    return {"position": str(position), "type": f"fi.yhteispalvelu.agreements.{kind}.v1", "data": data}


AGREEMENTS: list[Event] = [
    _agreement_event(
        n, "ServicePointRegistered", {"service_point_id": f"piste-732-{n}", "point": {"municipality_code": "732"}}
    )
    for n in (1, 2)
] + [_agreement_event(3, "AgreementSigned", _VERSION)]


def diary_rows() -> list[Row]:
    """The diary as it is stored."""
    bodies = [json.dumps(event).encode() for event in DIARY]
    return [Row(number, sha256(b"\x00" + body), body) for number, body in enumerate(bodies, 1)]


def answer_for(number: int) -> Event:
    """What the client of an event was answered."""
    return {"event_id": DIARY[number]["id"], "position": number + 1}


def sent_visit(number: int) -> Event:
    """The request behind an event."""
    facts = copy.deepcopy(DIARY[number]["data"]["visit"])
    acts = [{name: act[name] for name in ("authority_id", "service", "task", "quantity")} for act in facts["acts"]]
    sent = {"service_point_id": "piste-732-1", "occurred_at": facts["occurred_at"], "acts": acts}
    return sent | ({"late_reason": facts["late"]["reason"]} if "late" in facts else {})


def records_for(rows: list[Row], partitions: int) -> list[Record]:
    """The log as it stands on its topic."""
    last: dict[int, tuple[int, bytes]] = {}
    records = []
    for row in rows:
        partition = int.from_bytes(sha256(home_of(row.body).encode()), "big") % partitions
        before, leaf = last.get(partition, (0, b""))
        headers = {
            "position": str(row.position).encode(), "partitionprevious": str(before).encode(),
            "previousleaf": leaf.hex().encode(),
        }  # fmt: skip
        records.append(Record(partition, row.position, headers, row.body))
        last[partition] = (row.position, row.leaf)
    return records


def copies_for(authority: str) -> list[bytes]:
    """The feed of an authority, written out by hand's rules: own acts, renumbered, under its own name of the visit."""
    mine = [event for event in DIARY if f"{authority}:" in event["places"]]
    return [json.dumps(_copy(authority, number, event)).encode() for number, event in enumerate(mine, 1)]


def _copy(authority: str, number: int, event: Event) -> Event:
    data = event["data"]
    shown: Event = {
        "visit_ref": f"{authority}-{data['visit_id'].removeprefix('visit-')}",
        "service_point_id": data["service_point_id"],
        "provider_id": data["provider_id"],
    }
    for name in ("visit", "before", "after"):
        if name in data:
            facts = copy.deepcopy(data[name])
            del facts["customers"]
            own = [act for act in facts["acts"] if act["authority_id"] == authority]
            shown[name] = facts | {"acts": [act | {"act_no": n} for n, act in enumerate(own, 1)]}
    if "reason" in data:
        shown["reason"] = data["reason"]
    return {
        "id": f"copy-{authority}-{number}", "source": f"/apudiaari/diary/authority/{authority}",
        "recordedtime": event["recordedtime"], "position": str(number), "data": shown,
    }  # fmt: skip


def document() -> Event:
    """The invoice of October to Kela: four acts at 6.40 and the fee."""
    common = {
        "agreement_id": AGREEMENT, "agreement_version": 1, "commissioner_id": "kela", "service_month": "2026-10",
    }  # fmt: skip
    return {
        "number": "KUNTA732-2026-000001", "kind": "invoice", "provider_id": "kunta-732", "payer_id": "kela",
        "period": "2026-10", "total": "125.60", "vat": [{"base": "125.60", "vat": "0.00"}], "corrects": [],
        "lines": [
            {
                **common, "line_no": 1, "item": "t1", "clause": "per_act", "quantity": 4, "unit_price": "6.40",
                "amount": "25.60",
            },
            {
                **common, "line_no": 2, "item": "f1", "clause": "fixed_monthly", "quantity": 31, "unit_price": "100.00",
                "amount": "100.00",
            },
        ],
    }  # fmt: skip


def explanation() -> Event:
    """Line 1 of it as the service explains it: visit 1 with one act, visit 2 with its second act."""
    acts = [
        {"visit_ref": "visit-1", "act_no": 1, "sign": 1, "agreement_version": 1},
        {"visit_ref": "visit-2", "act_no": 2, "sign": 1, "agreement_version": 1},
    ]
    return {**document()["lines"][0], "acts": acts}
