"""The whole road on both brokers: an agreement signed and a visit recorded over HTTP become an invoice over Kafka.

Then the projection is rebuilt and compared, and a record that cannot be read stops billing, in its partition alone.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Producer

from deploy.dev.broker import Broker
from schemas.agreements import ITEMS
from schemas.topics import DIARY, partition_of
from services.billing.pages_run import months_over
from services.chassis.clock import helsinki_day, now
from tests.integration.chain import chained, eventually, seen
from tests.simulation.audit import leaf
from tests.support.databases import REPOSITORY
from tests.support.world import World

NAMES = {"fi": "Nimi", "sv": "Namn", "en": "Name"}
PROVIDER, POINT = "kunta-732", "piste-732-1"
MONTH = months_over(helsinki_day(now()), 1)[0]


@dataclass
class Road:
    """Three services on one broker, and what was told to two of them."""

    world: World
    positions: dict[str, int]

    async def call(self, service: str, method: str, path: str, role: str, party: str | None, body: Any) -> Any:
        points = (POINT,) if role == "adviser" else ()
        headers = await asyncio.to_thread(self.world.issuer.headers, role, party, points)
        async with httpx.AsyncClient(base_url=self.world.base_urls[service], timeout=30) as http:
            return await http.request(method, path, json=body, headers=headers)

    async def done(self, service: str, method: str, path: str, role: str, party: str | None, body: Any) -> Any:
        answer = await self.call(service, method, path, role, party, body)
        assert answer.status_code in (200, 201), f"{method} {path}: {answer.text}"
        found = answer.json()
        if "position" in found:
            self.positions[service] = max(self.positions.get(service, 0), int(found["position"]))
        return found

    async def run(self) -> httpx.Response:
        """A run that knows everything told so far; asked again while billing is behind."""
        body = {"id": str(uuid4()), "provider_id": PROVIDER, "period": MONTH, "at_least": self.positions}

        async def attempt() -> httpx.Response | None:
            answer = await self.call("billing", "POST", "/api/runs", "provider", PROVIDER, body)
            behind = answer.status_code == 409 and answer.json()["code"] == "projection_behind"
            return None if behind else answer

        found: httpx.Response = await eventually(attempt)
        return found

    async def visit(self, day: str) -> dict[str, Any]:
        act = {"authority_id": "kela", "service": "asumistuki", "task": "advise", "channel": "counter", "minutes": 12}
        body = {
            "service_point_id": POINT, "occurred_at": f"{MONTH}-{day}T10:00:00+03:00", "late_reason": "forgotten",
            "acts": [act],
        }  # fmt: skip
        return dict(await self.done("diary", "PUT", f"/api/visits/{uuid4()}", "adviser", PROVIDER, body))

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.billing", *arguments], cwd=REPOSITORY,
            env=os.environ | self.world.environment("billing"), capture_output=True, text=True, check=False,
            timeout=150,
        )  # fmt: skip


@pytest.fixture(scope="module")
async def road(world: World) -> AsyncIterator[Road]:
    await world.create_topics()
    await world.start("agreements", "diary", "billing")
    found = Road(world, {})
    await _register(found)
    yield found


async def _register(road: Road) -> None:
    for party, kind in ((PROVIDER, "municipal"), ("kela", "kela")):
        body = {"kind": kind, "family": party, "names": NAMES, "valid_from": "2007-04-01"}
        await road.done("agreements", "PUT", f"/api/parties/{party}", "register_keeper", None, body)
    service = {"names": NAMES, "tasks": ["advise"], "standard": True, "valid_from": "2020-01-01"}
    await road.done("agreements", "PUT", "/api/services/kela/asumistuki", "register_keeper", None, service)
    point = {
        "provider_id": PROVIDER, "names": NAMES, "municipality_code": "732", "region_code": "19",
        "visiting_address": "Esimerkkikatu 1", "located_in": "library", "accessible": True, "confidential_room": True,
        "remote_room": False, "remote_equipment": False, "common_sign": True, "checked_on": "2026-01-02",
        "opening_hours": [], "open_from": "2012-03-01",
    }  # fmt: skip
    await road.done("agreements", "PUT", f"/api/service-points/{POINT}", "provider", PROVIDER, point)
    terms = {
        "tasks": ["advise"], "services": [{"authority_id": "kela", "code": "asumistuki"}],
        "items": dict.fromkeys(ITEMS, "Sovittu."), "pendency": {"at_receipt": False},
        "tariffs": [{"item": "t1", "kind": "per_act", "authority_id": "kela", "price": "12.50"}],
    }  # fmt: skip
    draft = {
        "provider_id": PROVIDER, "commissioner_ids": ["kela"], "service_point_ids": [POINT],
        "valid_from": "2024-01-01", "terms": terms,
    }  # fmt: skip
    agreement = f"/api/agreements/{uuid4()}"
    await road.done("agreements", "PUT", agreement, "provider", PROVIDER, draft)
    for role, party in (("provider", PROVIDER), ("authority", "kela")):
        await road.done("agreements", "POST", f"{agreement}/approvals", role, party, {"id": str(uuid4()), "version": 1})


async def test_a_visit_and_a_signature_become_an_invoice(road: Road) -> None:
    await eventually(lambda: _known_at_the_counter(road))
    answer = await road.run()
    assert answer.status_code == 201, answer.text
    (document,) = answer.json()["invoices"]
    assert (document["kind"], document["total"], document["payer_id"]) == ("invoice", "12.50", "kela")
    feed = await road.done("billing", "GET", "/api/feeds/kela", "authority", "kela", None)
    assert [event["data"]["number"] for event in feed["events"]] == [document["number"]]


async def _known_at_the_counter(road: Road) -> bool:
    try:
        await road.visit("10")
    except AssertionError as refusal:
        assert "unknown" in str(refusal), refusal
        return False
    return True


async def test_rebuilt_from_the_topics_it_is_the_same_and_reproduces_the_same_documents(road: Road) -> None:
    await road.visit("11")
    await road.run()
    rebuilt = await asyncio.to_thread(road.cli, "rebuild", "--switch")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert "acts: 2 rows, 0 differ" in rebuilt.stdout
    reproduced = await asyncio.to_thread(road.cli, "reproduce", "--all")
    assert reproduced.returncode == 0, reproduced.stdout + reproduced.stderr
    assert "2 documents reproduced from the log, 0 differ" in reproduced.stdout


async def test_a_record_that_cannot_be_read_stops_billing_in_its_partition_alone(
    road: Road, clean_broker: Broker
) -> None:
    partition = partition_of(POINT, DIARY.partitions)
    records = (await seen(clean_broker, DIARY, at_least=2))[DIARY.name, partition]
    last = [record for record in records if "seal" not in record.headers][-1]
    position = int(last.headers["position"])
    broken = last.value.replace(b'"quantity":1', b'"quantity":1.5').replace(
        f'"position":"{position}"'.encode(), f'"position":"{position + 1}"'.encode()
    )
    (record,) = chained([(position + 1, broken)], after=(position, leaf(last.value)), key=POINT.encode())
    producer = Producer(clean_broker.client_options())
    producer.produce(DIARY.name, record.value, record.key, partition, headers=record.headers)
    producer.flush(15)

    async def stopped() -> Any:
        answer = await road.run()
        return answer.json() if answer.status_code == 409 else None

    refusal = await eventually(stopped)
    assert refusal["code"] == "projection_halted"
    assert [error["pointer"] for error in refusal["errors"]] == [f"/partitions/{DIARY.name}/{partition}"]
    async with httpx.AsyncClient(base_url=road.world.base_urls["billing"]) as http:
        ready = (await http.get("/health/ready")).json()
    assert "projection_halted" in {reason["code"] for reason in ready["reasons"]}
