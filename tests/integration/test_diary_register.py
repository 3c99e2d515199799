"""The register arrives over the broker: what the agreements service records, the counter knows and stamps."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.dev.tansu import Tansu
from tests.support.databases import Databases
from tests.support.diary import act, visit
from tests.support.tokens import TokenIssuer
from tests.support.world import World

POINT, PROVIDER = "piste-732-1", "kunta-732"


@pytest.fixture(scope="module")
def issuer(run_folder: Path) -> Iterator[TokenIssuer]:
    found = TokenIssuer(run_folder / "register-issuer")
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
async def world(run_folder: Path, tansu: Tansu, databases: Databases, issuer: TokenIssuer) -> AsyncIterator[World]:
    tansu.clear()
    made = World(run_folder, tansu, databases, issuer)
    await made.create_topics()
    await made.start("agreements", "diary")
    yield made
    await made.end()


def names(text: str) -> dict[str, str]:
    return {"fi": text, "sv": text, "en": text}


def register() -> list[tuple[str, dict[str, Any]]]:
    """Two parties, a point and a service, as the register's keeper enters them."""
    party = {"kind": "state", "family": "kela", "names": names("Kela"), "valid_from": "2007-04-01"}
    point = {
        "provider_id": PROVIDER,
        "names": names("Sallan asiointipiste"),
        "municipality_code": "732",
        "region_code": "19",
        "visiting_address": "Esimerkkikatu 1",
        "located_in": "town_hall",
        "accessible": True,
        "confidential_room": True,
        "remote_room": True,
        "remote_equipment": True,
        "common_sign": True,
        "opening_hours": [],
        "checked_on": "2026-01-01",
        "open_from": "2010-01-01",
    }
    service = {"names": names("Asumistuki"), "tasks": ["advise"], "standard": True, "valid_from": "2020-01-01"}
    salla = {**party, "kind": "municipal", "family": "kunta", "names": names("Salla"), "municipality_code": "732"}
    return [
        ("/api/parties/kela", {**party, "kind": "kela"}),
        (f"/api/parties/{PROVIDER}", salla),
        (f"/api/service-points/{POINT}", point),
        ("/api/services/kela/asumistuki", service),
    ]


async def test_what_the_register_records_the_counter_knows(world: World, issuer: TokenIssuer) -> None:
    keeper = issuer.headers("register_keeper", "lvv")
    adviser = issuer.headers("adviser", PROVIDER, (POINT,))
    async with httpx.AsyncClient(timeout=10) as http:
        for path, body in register():
            answer = await http.put(world.base_urls["agreements"] + path, json=body, headers=keeper)
            assert answer.status_code == 201, (path, answer.text)
        body = visit(occurred_at=dt.datetime.now(dt.UTC).isoformat(), acts=[act()])
        deadline = time.monotonic() + 20
        while True:
            answer = await http.put(f"{world.base_urls['diary']}/api/visits/{uuid4()}", json=body, headers=adviser)
            if answer.status_code == 201 or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
    assert answer.status_code == 201, answer.text
    assert answer.json()["acts"] == [{"act_no": 1, "coverage": "none"}]
