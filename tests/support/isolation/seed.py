"""Loads the data sets over the public HTTP interfaces of real processes, and waits until all have folded them."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import httpx

from schemas.agreements import ITEMS
from services.chassis.ids import imported_visit_id, reference
from tests.support.isolation.people import KEEPER, OPERATOR, POINTS, DataSet, Person
from tests.support.world import World

WITHIN_S = 40
HELSINKI = ZoneInfo("Europe/Helsinki")
PARTIES = {
    "kela": ("kela", "Kela", "0246246-0"),
    "vero": ("state", "Verohallinto", "0245458-3"),
    "kunta-732": ("municipality", "Sallan kunta", "0193524-6"),
    "kunta-320": ("municipality", "Kemijärven kaupunki", "0191717-9"),
}
"""Kind, Finnish name and business id. The register is open, so these are traces only outside it."""


class Surface:
    """The four services as people meet them."""

    def __init__(self, world: World, http: httpx.AsyncClient) -> None:
        self.world, self.http = world, http

    async def ask(
        self, service: str, who: Person, method: str, path: str, *, accept: str = "application/json", **options: Any
    ) -> httpx.Response:
        """One request of that person."""
        headers = {"accept": accept, **self.headers(who), **options.pop("headers", {})}
        return await self.http.request(
            method, self.world.base_urls[service] + path, headers=headers, follow_redirects=False, **options
        )

    def headers(self, who: Person) -> dict[str, str]:
        """What identifies the person."""
        return self.world.issuer.headers(who.role, who.party, who.points) if who.role else {}

    async def done(self, service: str, who: Person, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """A request that must succeed."""
        answer = await self.ask(service, who, method, path, json=body)
        assert answer.status_code in (200, 201), f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    async def head(self, service: str) -> int:
        """How far the log of the service has come."""
        connection = await asyncpg.connect(self.world.database(service).admin_dsn)
        try:
            return int(await connection.fetchval("SELECT position FROM log.head"))
        finally:
            await connection.close()

    async def heads(self) -> dict[str, int]:
        """The heads of all logs: equal before and after whatever was refused."""
        return {service: await self.head(service) for service in ("diary", "agreements", "billing")}

    async def all_folded(self) -> None:
        """Wait until every projection is sealed up to every head."""
        heads = await self.heads()
        wanted = {f"apudiaari.{service}.events": head for service, head in heads.items()}

        async def folded() -> bool:
            for service in self.world.base_urls:
                answer = await self.ask(service, OPERATOR, "GET", "/api/projections")
                for item in answer.json()["items"]:
                    if any(part["sealed"] < wanted[part["topic"]] for part in item["partitions"]):
                        return False
            return True

        await until(folded)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + WITHIN_S
    while not await condition():
        assert time.monotonic() < deadline, f"not within {WITHIN_S} s"
        await asyncio.sleep(0.1)


async def load_register(surface: Surface, data_sets: tuple[DataSet, ...]) -> None:
    """Parties, points and services: the open register, known to everybody from the start."""
    for party, (kind, name, business_id) in PARTIES.items():
        body: dict[str, Any] = {"kind": kind, "family": party, "names": names(name), "business_id": business_id}
        await surface.done("agreements", KEEPER, "PUT", f"/api/parties/{party}", {**body, "valid_from": "2007-04-01"})
    for provider, point in POINTS.items():
        await surface.done("agreements", KEEPER, "PUT", f"/api/service-points/{point}", point_body(provider))
    for each in data_sets:
        path = f"/api/services/{each.authority}/{each.service}"
        body = {"names": names(each.service), "tasks": ["advise", "identify", "receive_document"], "standard": True}
        await surface.done("agreements", KEEPER, "PUT", path, {**body, "valid_from": "2017-06-01"})
        each.register |= {each.service}
    await surface.all_folded()


def names(name: str) -> dict[str, str]:
    """One name in three languages."""
    return {"fi": name, "sv": name, "en": name}


def point_body(provider: str) -> dict[str, Any]:
    """A point with every field of the national form that must be there."""
    return {
        "provider_id": provider, "names": names(f"Asiointipiste {provider.removeprefix('kunta-')}"),
        "municipality_code": provider.removeprefix("kunta-"), "region_code": "19",
        "visiting_address": "Esimerkkikatu 1", "located_in": "town_hall", "accessible": True,
        "confidential_room": True, "remote_room": True, "remote_equipment": True, "common_sign": True,
        "opening_hours": [{"weekday": 1, "opens": "09:00", "closes": "15:00"}],
        "checked_on": "2026-01-02", "open_from": "2012-03-01",
    }  # fmt: skip


def terms(data: DataSet, price: str | None = None) -> dict[str, Any]:
    """Terms that name the data set in every item and price."""
    return {
        "tasks": ["advise", "identify", "receive_document"],
        "services": [{"authority_id": data.authority, "code": data.service}],
        "items": dict.fromkeys(ITEMS, data.item_text),
        "pendency": {"at_receipt": True},
        "tariffs": [
            {"item": "t1", "kind": "per_act", "authority_id": data.authority, "price": price or data.price}
        ],
    }  # fmt: skip


def draft(data: DataSet) -> dict[str, Any]:
    """The body of the agreement of the data set."""
    return {
        "provider_id": data.provider, "commissioner_ids": [data.authority], "service_point_ids": [data.point],
        "valid_from": "2024-01-01", "signed_on": "2023-12-10", "terms": terms(data),
    }  # fmt: skip


def visit(data: DataSet, occurred: dt.datetime, **changes: Any) -> dict[str, Any]:
    """A visit with one act of the data set. One of an earlier day says why it is late."""
    late = {} if occurred.date() == dt.datetime.now(HELSINKI).date() else {"late_reason": "paper_notes"}
    return {
        "service_point_id": data.point, "occurred_at": occurred.isoformat(), "customers": 1, "language": "fi",
        "acts": [act(data)], **late, **changes,
    }  # fmt: skip


def act(data: DataSet, **changes: Any) -> dict[str, Any]:
    """An act of the data set."""
    return {
        "authority_id": data.authority, "service": data.service, "task": "advise", "channel": "counter",
        "quantity": 1, "minutes": 12, **changes,
    }  # fmt: skip


def last_month() -> dt.date:
    """The first day of the last full month in Helsinki."""
    today = dt.datetime.now(HELSINKI).date()
    return (today.replace(day=1) - dt.timedelta(days=1)).replace(day=1)


async def load(surface: Surface, data: DataSet, *, months_back: int = 0) -> None:
    """Everything one authority has at one provider: agreement, visits, a paper, an import and an invoice."""
    provider = Person("provider", "provider", data.provider)
    authority = Person("authority", "authority", data.authority)
    adviser = Person("adviser", "adviser", data.provider, (data.point,))
    path = f"/api/agreements/{data.agreement}"
    await surface.done("agreements", provider, "PUT", path, draft(data))
    for side in (provider, authority):
        await surface.done("agreements", side, "POST", f"{path}/approvals", {"id": str(uuid4()), "version": 1})
    data.seen |= {str(data.agreement), data.item_text, data.price}
    await surface.all_folded()
    await _visits(surface, data, adviser, months_back)
    await _paper(surface, data, adviser)
    await _import(surface, data, Person("manager", "manager", data.provider, (data.point,)))
    await surface.all_folded()
    await _invoice(surface, data, provider)
    await surface.all_folded()


async def _visits(surface: Surface, data: DataSet, adviser: Person, months_back: int) -> None:
    month = last_month()
    for _ in range(months_back):
        month = (month - dt.timedelta(days=1)).replace(day=1)
    then = dt.datetime(month.year, month.month, 12, 10, 15, tzinfo=HELSINKI)
    moments = [then, then + dt.timedelta(hours=1), dt.datetime.now(HELSINKI)]
    if months_back:
        later = last_month()
        moments.append(dt.datetime(later.year, later.month, 12, 10, 15, tzinfo=HELSINKI))
    for moment in moments:
        visit_id = uuid4()
        answer = await surface.done("diary", adviser, "PUT", f"/api/visits/{visit_id}", visit(data, moment))
        assert answer["acts"][0]["coverage"] == "in_force", answer
        _seen_visit(surface, data, visit_id)
        data.seen.add(answer["event_id"])
    change = {"id": str(uuid4()), "based_on": 1, "reason": "wrong_quantity"}
    body = {**change, "visit": visit(data, moments[0], acts=[act(data, quantity=2)])}
    await surface.done("diary", adviser, "POST", f"/api/visits/{data.visits[0]}/corrections", body)


def _seen_visit(surface: Surface, data: DataSet, visit_id: UUID) -> None:
    secret = bytes.fromhex(surface.world.environment("diary")["APUDIAARI_FEED_SECRET"])
    data.visits.append(visit_id)
    data.seen |= {str(visit_id), reference(secret, data.authority, visit_id)}


async def _paper(surface: Surface, data: DataSet, adviser: Person) -> None:
    stamp = {"id": str(uuid4()), "service_point_id": data.point}
    waiting = {**stamp, "id": str(uuid4())}  # Its paper's details never follow.
    for each in (stamp, waiting):
        await surface.done("diary", adviser, "POST", "/api/stamps", each)
    document_id, visit_id = uuid4(), uuid4()
    now = dt.datetime.now(HELSINKI)
    body = {
        "service_point_id": data.point, "authority_id": data.authority, "kind": "application", "mode": "handed_over",
        "stamp_id": stamp["id"], "visit_id": str(visit_id), "act_no": 1, "paper": {"title": f"paperi {data.name}"},
        "visit": visit(data, now, acts=[act(data, task="receive_document")]),
    }  # fmt: skip
    await surface.done("diary", adviser, "PUT", f"/api/documents/{document_id}", body)
    _seen_visit(surface, data, visit_id)
    data.documents.append(document_id)
    data.stamps += [UUID(stamp["id"]), UUID(waiting["id"])]
    data.seen |= {str(document_id), stamp["id"], waiting["id"], f"paperi {data.name}"}


async def _import(surface: Surface, data: DataSet, manager: Person) -> None:
    now = dt.datetime.now(HELSINKI)
    rows = [f"ext-{data.name}-{n};{now.isoformat()};{data.authority};{code};advise;counter" for n, code in
            enumerate((data.service, "no-such-service"))]  # fmt: skip
    text = "external_id;occurred_at;authority_id;service;task;channel\n" + "\n".join(rows) + "\n"
    import_id = uuid4()
    answer = await surface.ask(
        "diary", manager, "POST", "/api/imports", params={"service_point_id": data.point, "id": str(import_id)},
        content=text.encode(), headers={"content-type": "text/csv"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    assert answer.json()["rows"]["recorded"] == 1, answer.text
    _seen_visit(surface, data, imported_visit_id(data.point, f"ext-{data.name}-0"))
    data.imports.append(import_id)
    data.seen |= {str(import_id), f"ext-{data.name}-0", f"ext-{data.name}-1"}


async def _invoice(surface: Surface, data: DataSet, provider: Person) -> None:
    period = f"{last_month():%Y-%m}"
    body = {"id": str(uuid4()), "provider_id": data.provider, "period": period}
    answer = await surface.done("billing", provider, "POST", "/api/runs", body)
    mine = [each for each in answer["invoices"] if each["payer_id"] == data.authority]
    assert len(mine) == 1, answer
    data.invoices += mine
    data.runs.append(UUID(body["id"]))
    data.seen.add(body["id"])
    data.seen |= {mine[0]["invoice_id"], mine[0]["total"], mine[0]["number"]}
