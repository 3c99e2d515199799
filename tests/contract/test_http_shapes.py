"""The minimal shapes of every stable path, held against real answers of real processes (design.md §11)."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from jsonschema import Draft202012Validator

from deploy.dev.environment import SERVICES
from tests.contract import shapes
from tests.support.isolation.people import ADVISER, KEEPER, KELA, MANAGER, MINISTRY, OPERATOR, PROVIDER, PUBLIC, Person
from tests.support.isolation.seed import HELSINKI, act, last_month, names, point_body, terms, visit
from tests.support.isolation_fixtures import Platform

pytest_plugins = ["tests.support.isolation_fixtures"]


def fits(answer: httpx.Response, schema: dict[str, Any], *statuses: int) -> Any:
    """The body, if it has the status and the shape."""
    assert answer.status_code in statuses, f"{answer.request.method} {answer.request.url}: {answer.text}"
    body = answer.json()
    Draft202012Validator(schema).validate(body)
    return body


def now() -> dt.datetime:
    return dt.datetime.now(HELSINKI)


async def test_a_visit_is_put_corrected_and_voided(platform: Platform) -> None:
    ask, data, visit_id = platform.surface.ask, platform.sets[0], uuid4()
    path, body = f"/api/visits/{visit_id}", visit(data, now())
    first = fits(await ask("diary", ADVISER, "PUT", path, json=body), shapes.VISIT, 201)
    again = fits(await ask("diary", ADVISER, "PUT", path, json=body), shapes.VISIT, 200)
    assert first == again
    change = {"id": str(uuid4()), "based_on": 1, "reason": "wrong_quantity"}
    change["visit"] = visit(data, now(), acts=[act(data, quantity=2)])
    corrected = fits(await ask("diary", ADVISER, "POST", f"{path}/corrections", json=change), shapes.VISIT, 201)
    assert corrected["version"] == 2
    void = {"id": str(uuid4()), "based_on": 2, "reason": "mistake"}
    voided = fits(await ask("diary", ADVISER, "POST", f"{path}/void", json=void), shapes.VOIDED, 201)
    assert (voided["version"], voided["visit_id"]) == (3, str(visit_id))
    query = {"service_point_id": data.point, "day": now().date().isoformat()}
    listed = await ask("diary", ADVISER, "GET", "/api/visits", params=query)
    fits(listed, shapes.page(shapes.thing({"visit_id": shapes.UUID}), 1), 200)


async def test_a_paper_is_stamped_received_forwarded_and_receipted(platform: Platform) -> None:
    ask, data, document_id = platform.surface.ask, platform.sets[0], uuid4()
    asked = {"id": str(uuid4()), "service_point_id": data.point}
    stamp = fits(await ask("diary", ADVISER, "POST", "/api/stamps", json=asked), shapes.STAMP, 201)
    fits(await ask("diary", ADVISER, "POST", "/api/stamps", json=asked), shapes.STAMP, 200)
    visit_id = str(uuid4())
    body = {
        "service_point_id": data.point, "authority_id": data.authority, "kind": "application", "mode": "handed_over",
        "stamp_id": stamp["stamp_id"], "visit_id": visit_id, "act_no": 1, "paper": {"pages": 2},
        "visit": visit(data, now(), acts=[act(data, task="receive_document")]),
    }  # fmt: skip
    path = f"/api/documents/{document_id}"
    fits(await ask("diary", ADVISER, "PUT", path, json=body), shapes.DOCUMENT, 201)
    fits(await ask("diary", ADVISER, "PUT", path, json=body), shapes.DOCUMENT, 200)
    forwarded = {"id": str(uuid4()), "based_on": 1, "forwarded_at": now().isoformat(), "means": "post"}
    fits(await ask("diary", ADVISER, "POST", f"{path}/forwarded", json=forwarded), shapes.DOCUMENT, 201)
    receipt = fits(await ask("diary", ADVISER, "GET", f"{path}/receipt"), shapes.RECEIPT, 200)
    assert fits(await ask("diary", KELA, "GET", f"{path}/receipt"), shapes.RECEIPT, 200) == receipt


async def test_a_file_of_visits_is_imported_with_a_report(platform: Platform) -> None:
    data = platform.sets[0]
    text = f"external_id;occurred_at;authority_id;service;task;channel\nshape-{uuid4()};{now().isoformat()};"
    text += f"{data.authority};{data.service};advise;counter\n"
    options: dict[str, Any] = {"content": text.encode(), "headers": {"content-type": "text/csv"}}
    query = {"service_point_id": data.point}
    answer = await platform.surface.ask("diary", MANAGER, "POST", "/api/imports", params=query, **options)
    assert fits(answer, shapes.IMPORT, 201)["rows"]["recorded"] == 1


async def test_the_register_and_an_agreement_from_draft_to_termination(platform: Platform) -> None:
    ask, data = platform.surface.ask, platform.sets[0]
    ident = f"kunta-{uuid4().hex[:6]}"
    party = {"kind": "municipality", "family": ident, "names": names("Kunta"), "valid_from": "2010-01-01"}
    fits(await ask("agreements", KEEPER, "PUT", f"/api/parties/{ident}", json=party), shapes.RECORDED, 201, 200)
    point = f"piste-{ident}"
    described = point_body(data.provider) | {"provider_id": ident}
    fits(await ask("agreements", KEEPER, "PUT", f"/api/service-points/{point}", json=described), shapes.RECORDED, 201)
    service = {"names": names("Palvelu"), "tasks": ["advise"], "standard": False, "valid_from": "2020-01-01"}
    path = f"/api/services/{data.authority}/shape-{uuid4().hex[:6]}"
    fits(await ask("agreements", KELA, "PUT", path, json=service), shapes.RECORDED, 201)
    provider, path = Person("shape", "provider", ident), f"/api/agreements/{uuid4()}"
    draft = {
        "provider_id": ident, "commissioner_ids": [data.authority], "service_point_ids": [point],
        "valid_from": "2024-01-01", "terms": terms(data),
    }  # fmt: skip
    fits(await ask("agreements", provider, "PUT", path, json=draft), shapes.PROPOSED, 201)
    await approved(platform, provider, path, 1)
    amended = {"id": str(uuid4()), "effective_from": "2026-01-01", "terms": terms(data, "3.20")}
    fits(await ask("agreements", provider, "POST", f"{path}/amendments", json=amended), shapes.PROPOSED, 201)
    await approved(platform, provider, path, 2)
    query = {"as_of_valid": "2025-12-31"}
    before = fits(await ask("agreements", provider, "GET", path, params=query), shapes.AGREEMENT, 200)
    after = fits(await ask("agreements", provider, "GET", path), shapes.AGREEMENT, 200)
    assert (before["version"], after["version"]) == (1, 2)
    last_day = (now().date() + dt.timedelta(days=400)).isoformat()
    notice = {"id": str(uuid4()), "last_day": last_day, "notice_on": now().date().isoformat()}
    fits(await ask("agreements", provider, "POST", f"{path}/termination", json=notice), shapes.RECORDED, 201)


async def approved(platform: Platform, provider: Person, path: str, version: int) -> None:
    for who, in_force in ((provider, False), (KELA, True)):
        body = {"id": str(uuid4()), "version": version}
        answer = await platform.surface.ask("agreements", who, "POST", f"{path}/approvals", json=body)
        assert fits(answer, shapes.APPROVED, 201)["in_force"] is in_force


async def test_a_run_its_invoices_and_their_explanation(platform: Platform) -> None:
    ask, data = platform.surface.ask, platform.sets[0]
    body = {"id": str(uuid4()), "provider_id": data.provider, "period": f"{last_month():%Y-%m}"}
    first = fits(await ask("billing", PROVIDER, "POST", "/api/runs", json=body), shapes.RUN, 201)
    assert fits(await ask("billing", PROVIDER, "POST", "/api/runs", json=body), shapes.RUN, 200) == first
    fits(await ask("billing", KELA, "GET", "/api/invoices"), shapes.page(shapes.INVOICED, 1), 200)
    path = f"/api/invoices/{data.invoices[0]['invoice_id']}"
    one = await ask("billing", KELA, "GET", path)
    fits(one, shapes.thing({"number": shapes.TEXT, "lines": shapes.many({}, 1)}), 200)
    assert one.content == (await ask("billing", PROVIDER, "GET", path)).content
    explained = await ask("billing", KELA, "GET", f"{path}/lines/1/explanation")
    fits(explained, shapes.EXPLANATION, 200)
    wanted = {"provider_id": data.provider, "period": f"{now():%Y-%m}"}
    preview = await ask("billing", PROVIDER, "POST", "/api/previews", json=wanted)
    fits(preview, shapes.thing({"documents": shapes.many({}), "total": shapes.MONEY}), 200)


async def test_a_cube_as_json_and_as_csv(platform: Platform) -> None:
    query = {"measures": "acts,quantity", "by": "authority,month"}
    ask = platform.surface.ask
    body = fits(await ask("statistics", MINISTRY, "GET", "/api/cube", params=query), shapes.CUBE, 200)
    assert body["columns"] == ["authority", "month", "acts", "quantity"]
    assert all(len(row) == len(body["columns"]) for row in body["rows"])
    table = await ask("statistics", MINISTRY, "GET", "/api/cube", params=query, accept="text/csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.strip().splitlines()) == len(body["rows"]) + 1


@pytest.mark.parametrize("service", SERVICES)
async def test_what_every_service_has(platform: Platform, service: str) -> None:
    ask = platform.surface.ask
    for path in ("/health/live", "/health/ready"):
        fits(await ask(service, PUBLIC, "GET", path), shapes.HEALTH, 200)
    assert (await ask(service, PUBLIC, "GET", "/metrics")).text.startswith("# HELP")
    fits(await ask(service, OPERATOR, "GET", "/api/projections"), shapes.page({}), 200)


@pytest.mark.parametrize("service", ["diary", "agreements", "billing"])
async def test_a_feed_and_its_manifest(platform: Platform, service: str) -> None:
    ask = platform.surface.ask
    feed = fits(await ask(service, KELA, "GET", "/api/feeds/kela", params={"limit": 3}), shapes.FEED, 200)
    assert 0 < len(feed["events"]) <= 3 and feed["head"] >= len(feed["events"])
    manifest = await ask(service, KELA, "GET", f"/api/feeds/kela/manifests/{now().date()}")
    told = str(fits(manifest, {"type": "object"}, 200))
    assert all(f'"{name}"' in told or f"'{name}'" in told for name in ("feed", "day", "first", "last", "count", "root"))


# The description.


@pytest.mark.parametrize("service", SERVICES)
async def test_the_description_is_openapi_3_1_and_names_every_stable_path(platform: Platform, service: str) -> None:
    described = (await platform.surface.ask(service, PUBLIC, "GET", "/openapi.json")).json()
    assert re.fullmatch(r"3\.1\.\d+", described["openapi"])
    assert described["info"]["title"] and described["info"]["version"]
    there = {re.sub(r"\{[^}]+\}", "{}", path): set(item) for path, item in described["paths"].items()}
    wanted = shapes.PATHS[service] | shapes.EVERYWHERE | (shapes.OF_A_LOG if service != "statistics" else {})
    assert {path: methods for path, methods in wanted.items() if not set(methods) <= there.get(path, set())} == {}


@pytest.mark.parametrize("service", SERVICES)
async def test_the_description_is_sound(platform: Platform, service: str) -> None:
    """Every reference resolves, every schema is one, every parameter of a path is described, ids are used once."""
    described = (await platform.surface.ask(service, PUBLIC, "GET", "/openapi.json")).json()
    schemas = described.get("components", {}).get("schemas", {})
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    references = set(re.findall(r"'\$ref': '([^']+)'", str(described)))
    assert {each for each in references if each.removeprefix("#/components/schemas/") not in schemas} == set()
    operations = [(path, operation) for path, item in described["paths"].items() for operation in item.values()]
    for path, operation in operations:
        assert operation["responses"]
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert named == set(re.findall(r"\{([^}]+)\}", path))
    used = [operation["operationId"] for _, operation in operations]
    assert len(used) == len(set(used))
