"""Every route, asked by everybody about everybody's data: no trace of another's, in body, header, error or metric."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse, Response

from deploy.dev.environment import SERVICES
from services.chassis.access import PUBLIC, Action, Principal
from services.chassis.errors import ApudiaariError
from services.chassis.identity import rule
from services.chassis.problems import install_problem_handlers
from tests.support.isolation.people import PUBLIC as ANYBODY
from tests.support.isolation.people import DataSet, Person, data_sets
from tests.support.isolation.requests import Asked, Untaught
from tests.support.isolation.walk import traces_for, undeclared, walk_existence, walk_reads, walk_writes
from tests.support.isolation_fixtures import Platform

pytest_plugins = ["tests.support.isolation_fixtures"]

every_service = pytest.mark.parametrize("service", SERVICES)


@every_service
async def test_every_route_declares_what_it_does(platform: Platform, service: str) -> None:
    assert undeclared(platform.routes[service]) == []


@every_service
async def test_nobody_finds_a_trace_of_what_is_anothers(platform: Platform, service: str) -> None:
    looked_at, findings = await walk_reads(service, platform.routes[service], platform.sets, platform.ask)
    assert looked_at > 500
    assert not findings, "\n".join(map(str, findings))


@every_service
async def test_nobody_learns_that_anothers_thing_exists(platform: Platform, service: str) -> None:
    findings = await walk_existence(service, platform.routes[service], platform.sets, platform.ask)
    assert not findings, "\n".join(map(str, findings))


@every_service
async def test_nobody_changes_what_is_anothers(platform: Platform, service: str) -> None:
    before = await platform.surface.heads()
    findings = await walk_writes(service, platform.routes[service], platform.sets, platform.ask)
    assert not findings, "\n".join(map(str, findings))
    assert await platform.surface.heads() == before


@every_service
async def test_metrics_name_nobody(platform: Platform, service: str) -> None:
    answer = await platform.surface.ask(service, ANYBODY, "GET", "/metrics", accept="text/plain")
    assert answer.status_code == 200
    assert "apudiaari_http_requests_total" in answer.text
    labels = {part for line in answer.text.splitlines() if "{" in line for part in line.split('"')[1::2]}
    traces = traces_for(ANYBODY, platform.sets, service, of_register=False)
    traces |= {party for each in platform.sets for party in each.parties} | {each.point for each in platform.sets}
    assert traces & labels == set()


# The walk can fail: each of its checks, on an app that does wrong.

planted = APIRouter()
Anyone = Annotated[Principal, rule(Action.OPEN)]
VISITS = {"5eed0000-0000-4000-8000-000000000001": "asumistuki-k732"}


@planted.get("/api/visits/{visit_id}")
async def leaks_in_the_body(_: Anyone, visit_id: UUID) -> Response:
    return JSONResponse({"service": VISITS.get(str(visit_id), "nothing")})


@planted.get("/api/visits")
async def leaks_in_a_header(_: Anyone) -> Response:
    return Response(headers={"x-total": "317,41"})


@planted.get("/api/documents/{document_id}/receipt")
async def leaks_in_an_error(_: Anyone, document_id: UUID) -> Response:
    raise ApudiaariError("forbidden", "This paper is of sovittu&#45;kela-732-salassa.", status=403)


@planted.get("/api/imports/{import_id}")
async def leaks_existence(_: Anyone, import_id: UUID) -> Response:
    raise ApudiaariError("refused", "Not yours.", status=403 if str(import_id).startswith("5eed") else 404)


@planted.post("/api/visits/{visit_id}/void")
async def lets_anybody_change(_: Annotated[Principal, rule(Action.RECORD_VISIT)], visit_id: UUID) -> Response:
    return JSONResponse({"voided": True}, 201)


@planted.get("/api/keys")
async def has_no_rule() -> Response:
    return Response()


def wrong() -> tuple[FastAPI, tuple[DataSet, ...]]:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    install_problem_handlers(app)
    app.include_router(planted)
    sets = data_sets()
    for each in sets:
        each.seen |= {each.price, each.item_text}
        each.register |= {each.service}
        each.visits = each.documents = each.imports = [
            UUID(f"5eed0000-0000-4000-8000-00000000000{sets.index(each) + 1}")
        ]
    return app, sets


async def ask_wrong(app: FastAPI, person: Person, request: Asked) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://walk.test") as http:
        return await http.request(request.method, request.path)


@pytest.fixture
def everybody_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign-in is not what is tried here: whoever asks is taken for somebody with every role."""

    async def all_roles(_: Any) -> Principal:
        return Principal("walk", "test", frozenset(PUBLIC.roles | {"adviser"}), "kunta-732", frozenset({"piste-732-1"}))  # type: ignore[arg-type]

    monkeypatch.setattr("services.chassis.identity.principal", all_roles)


@pytest.mark.usefixtures("everybody_may")
async def test_the_walk_sees_what_is_planted() -> None:
    app, sets = wrong()

    async def ask(person: Person, request: Asked) -> httpx.Response:
        return await ask_wrong(app, person, request)

    _, read = await walk_reads("diary", app.routes, sets, ask)
    shown = {(each.asked.split("?")[0].split()[1].split("/")[2], each.what) for each in read if each.person == "vero"}
    assert ("visits", "shows asumistuki-k732") in shown
    assert ("visits", "shows 317.41") in shown
    assert ("documents", "shows sovittu-kela-732-salassa") in shown
    assert not [each for each in read if each.person == "kela" and "kela" in each.what]
    existing = {each.asked.split()[1].split("/")[2] for each in await walk_existence("diary", app.routes, sets, ask)}
    assert {"imports", "visits"} <= existing
    changed = {each.what.split(":")[0] for each in await walk_writes("diary", app.routes, sets, ask)}
    assert "answers 201" in changed
    assert undeclared(app.routes) == ["GET /api/keys"]


async def test_a_route_that_the_walk_does_not_know_is_a_fault() -> None:
    app, sets = wrong()

    @app.get("/api/secrets/{secret_id}")
    async def new(_: Anyone, secret_id: UUID) -> Response:
        return Response()

    with pytest.raises(Untaught, match="secret_id"):
        await walk_reads("diary", app.routes, sets, lambda person, request: ask_wrong(app, person, request))
