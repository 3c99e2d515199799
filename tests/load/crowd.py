"""Clients who record over HTTP without a pause, whatever dies, and write everything down in their own journals.

A client that gets no answer, or 503, sends the same request with the same id again until it knows.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from deploy.dev.supervisor import Stack
from services.chassis.clock import HELSINKI
from tests.simulation.journal import Journal

POINTS = tuple(f"piste-732-{number}" for number in range(1, 9))
PROVIDER = "kunta-732"
SERVICES = {"kela": "asumistuki", "vero": "verokortti"}
AGAIN_S = 0.1
TOKEN_S = 300.0


class Odd(Exception):
    """An answer that no client should ever get."""


@dataclass
class Crowd:
    """``diary``, ``agreements``: journals. ``acked``: when the newest acknowledged wish was sent, and its position."""

    stack: Stack
    seed: int
    advisers: int = 8
    diary: Journal = field(default_factory=Journal)
    agreements: Journal = field(default_factory=Journal)
    acked: dict[str, tuple[float, int]] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _tokens: dict[str, tuple[float, str]] = field(default_factory=dict)

    async def __aenter__(self) -> Crowd:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
        self._http = httpx.AsyncClient(timeout=20, limits=limits)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def start(self) -> None:
        """Everybody begins."""
        everybody = [self._adviser(random.Random(self.seed + number)) for number in range(self.advisers)]
        self._tasks = [asyncio.create_task(work) for work in (*everybody, self._keeper(random.Random(self.seed - 1)))]

    async def finish(self) -> None:
        """Nobody begins anything new; everybody asks until they know."""
        self._stop.set()
        await asyncio.wait_for(asyncio.gather(*self._tasks), 90)

    # -- what they wish --------------------------------------------------------------------------------------------

    async def furnish(self) -> None:
        """What the counters need in the register; part of the journal like everything else."""
        for party, kind in (("kela", "kela"), ("vero", "state"), (PROVIDER, "municipality")):
            await self._party(party, kind)
        for point in POINTS:
            path = f"/api/service-points/{point}"
            await self._settle("agreements", self.agreements, path, "PUT", path, _point(point), f"point:{point}")
        for authority, service in SERVICES.items():
            body = {
                "names": _names(service), "tasks": ["advise", "identify"], "standard": True, "valid_from": "2017-06-01",
            }  # fmt: skip
            path, subject = f"/api/services/{authority}/{service}", f"service:{authority}:{service}"
            await self._settle("agreements", self.agreements, path, "PUT", path, body, subject)

    async def _party(self, party: str, kind: str) -> None:
        body = {"kind": kind, "family": party, "names": _names(party), "valid_from": "2007-04-01"}
        path = f"/api/parties/{party}"
        await self._settle("agreements", self.agreements, path, "PUT", path, body, f"party:{party}")

    async def _keeper(self, luck: random.Random) -> None:
        """Registers parties, a few a second."""
        while not self._stop.is_set():
            await self._party(f"yhdistys-{luck.getrandbits(60):x}", "third_sector")
            await asyncio.sleep(0.1)

    async def _adviser(self, luck: random.Random) -> None:
        """Visits; some are corrected, some voided, some asked about again."""
        while not self._stop.is_set():
            visit_id, body = UUID(int=luck.getrandbits(128), version=4), _visit(luck)
            path = f"/api/visits/{visit_id}"
            answer = await self._settle("diary", self.diary, str(visit_id), "PUT", path, body)
            if answer and luck.random() < 0.1:
                await self._settle("diary", self.diary, str(visit_id), "PUT", path, body)
            if answer and luck.random() < 0.3:
                await self._change(luck, path, body, int(answer["version"]))

    async def _change(self, luck: random.Random, path: str, body: dict[str, Any], version: int) -> None:
        change_id = str(UUID(int=luck.getrandbits(128), version=4))
        change: dict[str, Any] = {"id": change_id, "based_on": version}
        if luck.random() < 0.3:
            await self._settle("diary", self.diary, change_id, "POST", f"{path}/void", {**change, "reason": "mistake"})
            return
        acts = [{**act, "quantity": act["quantity"] + 1} for act in body["acts"]]
        change |= {"reason": "wrong_quantity", "visit": {**body, "acts": acts}}
        await self._settle("diary", self.diary, change_id, "POST", f"{path}/corrections", change)

    # -- until they know -------------------------------------------------------------------------------------------

    async def _settle(
        self, service: str, journal: Journal, command_id: str, method: str, path: str, body: Any, subject: str = ""
    ) -> dict[str, Any] | None:
        """Send until answered; the answer, or None for a refusal."""
        journal.wish(command_id, subject)
        sent = time.monotonic()
        while True:
            answer = await self._send(service, method, path, body)
            if answer is not None:
                break
            await asyncio.sleep(AGAIN_S)
        if answer.status_code in {200, 201}:
            told: dict[str, Any] = answer.json()
            journal.acknowledged(command_id, told)
            before = self.acked.get(service, (0.0, 0))
            if answer.status_code == 201 and sent > before[0]:
                self.acked[service] = sent, int(told["position"])
            return told
        journal.refused(command_id)
        self.odd.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return None

    async def _send(self, service: str, method: str, path: str, body: Any) -> httpx.Response | None:
        """One attempt; None when its outcome is not known."""
        try:
            headers = {"authorization": f"Bearer {await self._token(service)}"}
            answer = await self._http.request(method, self.stack.base_urls[service] + path, json=body, headers=headers)
        except (httpx.TransportError, httpx.HTTPStatusError) as trouble:
            self.answers[type(trouble).__name__] += 1
            return None
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == 503:
            return None
        if answer.status_code >= 500:
            self.odd.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            return None
        return answer

    async def _token(self, service: str) -> str:
        role, party, points = ("adviser", PROVIDER, POINTS) if service == "diary" else ("register_keeper", "lvv", ())
        until, token = self._tokens.get(role, (0.0, ""))
        if time.monotonic() > until:
            client = self.stack.client(role, party, points)
            answer = await self._http.post(
                self.stack.endpoints["token_endpoint"],
                data={"grant_type": "client_credentials"},
                auth=(client.client_id, client.client_secret),
            )
            token = answer.raise_for_status().json()["access_token"]
            self._tokens[role] = time.monotonic() + TOKEN_S, token
        return token


def _names(name: str) -> dict[str, str]:
    return {"fi": name, "sv": name, "en": name}


def _point(point: str) -> dict[str, Any]:
    return {
        "provider_id": PROVIDER, "names": _names(point), "municipality_code": "732", "region_code": "19",
        "visiting_address": "Esimerkkikatu 1", "located_in": "town_hall", "accessible": True,
        "confidential_room": True, "remote_room": True, "remote_equipment": True, "common_sign": True,
        "opening_hours": [{"weekday": 1, "opens": "09:00", "closes": "15:00"}],
        "checked_on": "2026-01-02", "open_from": "2012-03-01",
    }  # fmt: skip


def _visit(luck: random.Random) -> dict[str, Any]:
    authorities = ["kela", "vero"] if luck.random() < 0.3 else [luck.choice(["kela", "vero"])]
    acts = [
        {
            "authority_id": authority, "service": SERVICES[authority], "task": "advise", "channel": "counter",
            "quantity": luck.randrange(1, 4), "minutes": luck.randrange(1, 30),
        }
        for authority in authorities
    ]  # fmt: skip
    now = dt.datetime.now(HELSINKI).isoformat()
    return {
        "service_point_id": luck.choice(POINTS), "occurred_at": now, "customers": luck.randrange(1, 4),
        "language": luck.choice(["fi", "sv"]), "late_reason": "other", "acts": acts,
    }  # fmt: skip
