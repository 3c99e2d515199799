"""The synthetic network's life as raw events on the three topics, with places in their partitions' chains.

Events are written in plain JSON by this module, not by the services' own deciders: what it makes is what a reader of
the topics sees.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from deploy.demo.network import VisitCommand
from schemas import topics
from schemas.topics import Topic, partition_of
from services.chassis.clock import HELSINKI
from services.chassis.evidence.merkle import leaf_hash
from services.chassis.rule import headers_of
from tests.support.network import TODAY, network

NOW = dt.datetime(2026, 11, 24, 11, 17, 30, tzinfo=HELSINKI)


@dataclass(frozen=True)
class Record:
    """What a projector uses of a Kafka record."""

    partition: int
    offset: int
    value: bytes
    headers: list[tuple[str, bytes]]


class Log:
    """Events of one topic in order, and their chains."""

    def __init__(self, topic: Topic) -> None:
        self.topic, self.position = topic, 0
        self.raw: list[bytes] = []
        self.records: dict[int, list[Record]] = defaultdict(list)
        self._tails: dict[int, tuple[int, bytes]] = {}

    def add(self, kind: str, key: str, data: dict[str, Any], at: str = "2026-11-01T09:00:00Z") -> bytes:
        """Append one event; ``kind`` is a short type name."""
        self.position += 1
        event = {
            "specversion": "1.0",
            "id": str(uuid5(NAMESPACE_OID, f"{self.topic.owner} {self.position}")),
            "source": f"/apudiaari/{self.topic.owner}",
            "type": f"fi.yhteispalvelu.{self.topic.owner}.{kind}.v1",
            "subject": key,
            "time": at,
            "recordedtime": at,
            "position": str(self.position),
            "streamversion": "1",
            "data": data,
        }
        return self.add_raw(key, json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())

    def add_raw(self, key: str, value: bytes) -> bytes:
        """Append bytes as they are at the present position."""
        partition = partition_of(key, self.topic.partitions)
        previous, leaf = self._tails.get(partition, (0, b""))
        batch = self.records[partition]
        batch.append(Record(partition, len(batch), value, headers_of(self.position, previous, leaf)))
        self._tails[partition] = (self.position, leaf_hash(value))
        self.raw.append(value)
        return value


@dataclass(frozen=True)
class Logs:
    diary: Log
    agreements: Log
    billing: Log

    def __iter__(self) -> Iterator[Log]:
        return iter((self.diary, self.agreements, self.billing))

    def raw(self) -> list[bytes]:
        """Every event of every topic."""
        return [value for log in self for value in log.raw]


def make_logs(total: int = 2_000, seed: int = 1) -> Logs:
    """The register, ``total`` visits with what follows them, and a few invoices."""
    logs = Logs(Log(topics.DIARY), Log(topics.AGREEMENTS), Log(topics.BILLING))
    register(logs.agreements)
    diary(logs.diary, list(network().visits(*network().last_months(), total, now=NOW)), random.Random(seed))
    for number in range(20):
        invoice(logs.billing, number)
    return logs


def register(log: Log) -> None:
    """Parties, renames, points and services."""
    made = network()
    for command in made.parties:
        log.add("PartyRegistered", command.subject, {"party_id": command.subject, "party": command.body})
    for command in made.renames:
        body = {key: value for key, value in command.body.items() if key != "id"}
        log.add("PartyRenamed", command.subject, {"party_id": command.subject, **body})
    for command in made.points:
        body = {"service_point_id": command.subject, "point": command.body}
        log.add("ServicePointRegistered", command.subject, body)
    for command in made.services:
        _, _, _, authority, code = command.path.split("/")
        log.add("ServiceDefined", authority, {"authority_id": authority, "code": code, **command.body})


def diary(log: Log, commands: Sequence[VisitCommand], rng: random.Random) -> None:
    """Each command as the event that the counter would have made of it."""
    visits: dict[str, dict[str, Any]] = {}
    documents: dict[str, dict[str, Any]] = {}
    for command in commands:
        point, at = command.service_point_id, command.recorded_at
        provider = "kunta-" + point.split("-")[1]
        head = {"service_point_id": point, "provider_id": provider, "recorder": command.recorder}
        same = {"visit_id": command.subject_id, **head}
        if command.kind == "visit":
            visits[command.subject_id] = facts(command.body, at, provider, rng)
            log.add("VisitRecorded", point, {**same, "visit": visits[command.subject_id]}, at)
        elif command.kind in {"correction", "void"}:
            change = {**same, "replaces": 1, "reason": command.body["reason"], "before": visits[command.subject_id]}
            if command.kind == "correction":
                visits[command.subject_id] = facts(command.body["visit"], at, provider, rng)
                log.add("VisitCorrected", point, {**change, "after": visits[command.subject_id]}, at)
            else:
                log.add("VisitVoided", point, change, at)
        else:
            paper(log, command, head, documents)


def facts(body: dict[str, Any], recorded_at: str, provider: str, rng: random.Random) -> dict[str, Any]:
    """The facts of a visit. A few people asked for another language; some minutes were not written down."""
    moment = dt.datetime.fromisoformat(body["occurred_at"])
    days = (dt.datetime.fromisoformat(recorded_at).date() - moment.date()).days
    found: dict[str, Any] = {
        "occurred_at": body["occurred_at"],
        "service_day": moment.date().isoformat(),
        "hour": moment.hour,
        "customers": body["customers"],
        "language": body["language"],
        "place": body["place"],
        "acts": [act(number, each, provider, rng) for number, each in enumerate(body["acts"], 1)],
    }
    if rng.random() < 0.1:
        found["language_asked"] = rng.choice(["fi", "sv", "se", "en"])
    if "late_reason" in body:
        found["late"] = {"reason": body["late_reason"], "days": days}
    return found


def act(number: int, body: dict[str, Any], provider: str, rng: random.Random) -> dict[str, Any]:
    own = body["authority_id"] == provider
    status = "own" if own else rng.choices(["in_force", "outside_scope", "none"], [90, 6, 4])[0]
    found = {"act_no": number, "performed_by": "adviser", **body}
    found["coverage"] = {"status": status, "agreements_position": 1}
    if rng.random() < 0.2:
        found.pop("minutes", None)
    return found


def paper(log: Log, command: VisitCommand, head: dict[str, Any], documents: dict[str, dict[str, Any]]) -> None:
    body, point, at = command.body, command.service_point_id, command.recorded_at
    if command.kind == "document":
        documents[command.subject_id] = {"document_id": command.subject_id, "authority_id": body["authority_id"]}
        received = {
            **head, **documents[command.subject_id], "visit_id": body["visit_id"], "act_no": body["act_no"],
            "kind": body["kind"], "mode": body["mode"], "service_day": at[:10], "commitment": "a" * 64,
            "received": {"earliest": at, "latest": at},
            "coverage": {"status": "in_force", "agreements_position": 1},
        }  # fmt: skip
        log.add("DocumentReceived", point, received, at)
        return
    sent = {
        **head, **documents[command.subject_id], "replaces": 1, "forwarded_at": body["forwarded_at"], "means": "post",
    }  # fmt: skip
    log.add("DocumentForwarded", point, sent, at)


def invoice(log: Log, number: int) -> None:
    """Two lines and, every fifth time, a credit note."""
    credit = number % 5 == 4
    sign = "-" if credit else ""
    line = {
        "agreement_id": str(uuid5(NAMESPACE_OID, "agreement")), "agreement_version": 1, "item": "acts",
        "clause": "per_act", "unit": "act", "quantity": 3, "unit_price": "4.10", "exempt_reason": "viranomaistoiminta",
    }  # fmt: skip
    lines = [
        {**line, "line_no": 1, "commissioner_id": "kela", "service_month": "2026-09", "amount": f"{sign}12.30"},
        {**line, "line_no": 2, "commissioner_id": "kela", "service_month": "2026-10", "amount": f"{sign}0.05"},
    ]
    body = {
        "invoice_id": str(uuid5(NAMESPACE_OID, f"invoice {number}")),
        "run_id": str(uuid5(NAMESPACE_OID, f"run {number}")),
        "number": f"Y732-{number + 1000}", "provider_id": f"kunta-{('732', '091', '005')[number % 3]}",
        "payer_id": "kela", "period": "2026-10", "issued_on": "2026-11-02", "due_on": "2026-11-23",
        "reference": "12344", "rating_version": 1, "cut_offs": {"diary": 1, "agreements": 1}, "lines": lines,
        "vat": [{"exempt_reason": "viranomaistoiminta", "base": f"{sign}12.35", "vat": "0.00"}],
        "total": f"{sign}12.35", "corrects": ["Y732-1000"] if credit else [],
    }  # fmt: skip
    log.add("CreditNoteIssued" if credit else "InvoiceIssued", f"kunta-{number % 3}", body)


__all__ = ["NOW", "TODAY", "Log", "Logs", "Record", "make_logs"]
