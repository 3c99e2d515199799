"""Agreements over HTTP on real PostgreSQL, with tokens of a real issuer, against a naive fold of the log's bytes."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from schemas.agreements import ITEMS
from services.agreements import store
from services.agreements.app import SERVICE
from services.agreements.context import RegisterSource
from services.agreements.projection import project
from services.chassis.db import Database
from services.chassis.log.model import NewEvent, Placed
from services.chassis.service import create_app
from services.chassis.settings import Issuer, Settings
from tests.support.databases import ServiceDatabase
from tests.support.naive import agreements as naive
from tests.support.tokens import TokenIssuer

NAMES = {"fi": "Nimi", "sv": "Namn", "en": "Name"}
Http = httpx.AsyncClient


@pytest.fixture(scope="module")
def issuer(run_folder: Path) -> Iterator[TokenIssuer]:
    found = TokenIssuer(run_folder / "agreements-issuer")
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    return service_database("agreements")


@pytest.fixture(scope="module")
async def http(database: ServiceDatabase, issuer: TokenIssuer) -> AsyncIterator[Http]:
    settings = Settings(
        database_url=SecretStr(database.app_dsn),
        feed_secret=SecretStr("5e" * 32),
        issuers=(Issuer(issuer=issuer.url, jwks_url=f"{issuer.url}/jwks.json"),),
    )
    app = create_app(SERVICE, settings, roles=("serve",))
    async with (
        app.router.lifespan_context(app),
        Http(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8101") as client,
    ):
        yield client


class As:
    """Requests of one principal."""

    def __init__(self, http: Http, issuer: TokenIssuer, role: str, party: str | None = None) -> None:
        self._http, self._headers = http, issuer.headers(role, party)

    async def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return await self._http.request(method, path, json=body, params=query, headers=self._headers)


@pytest.fixture(scope="module")
async def world(http: Http, issuer: TokenIssuer) -> dict[str, As]:
    """The register that the tests stand on, made over HTTP, and who acts in it."""
    keeper = As(http, issuer, "register_keeper")
    parties = {"kunta-732": "municipality", "kunta-005": "municipality", "kela": "kela", "vero": "state"}
    for party, kind in parties.items():
        body = {"kind": kind, "family": party, "names": NAMES | {"fi": f"Ö {party}"}, "valid_from": "2007-04-01"}
        assert (await keeper("PUT", f"/api/parties/{party}", body)).status_code == 201
    for authority, code in (("kela", "asumistuki"), ("kela", "elakkeet"), ("vero", "verokortti")):
        body = {"names": NAMES, "tasks": ["identify"], "standard": True, "valid_from": "2007-04-01"}
        assert (await keeper("PUT", f"/api/services/{authority}/{code}", body)).status_code == 201
    for number in range(1, 8):
        response = await keeper("PUT", f"/api/service-points/piste-732-{number}", _point(number))
        assert response.status_code == 201, response.text
    return {
        "keeper": keeper,
        "salla": As(http, issuer, "provider", "kunta-732"),
        "kela": As(http, issuer, "authority", "kela"),
        "vero": As(http, issuer, "authority", "vero"),
        "alajarvi": As(http, issuer, "provider", "kunta-005"),
        "ministry": As(http, issuer, "ministry"),
        "adviser": As(http, issuer, "adviser", "kunta-732"),
    }


def _point(number: int) -> dict[str, Any]:
    return {
        "provider_id": "kunta-732", "names": NAMES | {"fi": f"Piste {'ÅÄÖAZWV'[number - 1]}"},
        "municipality_code": "732", "region_code": "19", "visiting_address": "Esimerkkikatu 1",
        "located_in": "town_hall", "accessible": True, "confidential_room": True, "remote_room": False,
        "remote_equipment": False, "common_sign": True, "opening_hours": [], "checked_on": "2026-01-02",
        "open_from": "2012-03-01",
    }  # fmt: skip


def _terms(price: str = "6.40", **changes: Any) -> dict[str, Any]:
    return {
        "tasks": ["advise"], "services": [{"authority_id": "kela", "code": "asumistuki"}],
        "items": dict.fromkeys(ITEMS, "Sovittu."), "pendency": {"at_receipt": False},
        "tariffs": [{"item": "t1", "kind": "per_act", "authority_id": "kela", "price": price}], **changes,
    }  # fmt: skip


def _draft(point: int, **changes: Any) -> dict[str, Any]:
    return {
        "provider_id": "kunta-732", "commissioner_ids": ["kela"], "service_point_ids": [f"piste-732-{point}"],
        "valid_from": "2024-01-01", "signed_on": "2023-12-10", "terms": _terms(), **changes,
    }  # fmt: skip


async def _approve(who: As, agreement: str, version: int) -> httpx.Response:
    return await who("POST", f"/api/agreements/{agreement}/approvals", {"id": str(uuid4()), "version": version})


async def _signed(world: dict[str, As], point: int, **changes: Any) -> str:
    agreement = str(uuid4())
    assert (await world["salla"]("PUT", f"/api/agreements/{agreement}", _draft(point, **changes))).status_code == 201
    assert (await _approve(world["salla"], agreement, 1)).json()["waiting_for"] == ["kela"]
    assert (await _approve(world["kela"], agreement, 1)).json()["in_force"] is True
    return agreement


def _refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text


async def _log(database: ServiceDatabase) -> list[dict[str, Any]]:
    own = Database(database.app_dsn, pool_size=2)
    async with own.reading() as connection:
        rows = (await connection.execute(text("SELECT body FROM log.events ORDER BY position"))).scalars().all()
    await own.close()
    return [orjson.loads(row) for row in rows]


async def test_an_agreement_comes_into_force_with_the_last_approval(world: dict[str, As]) -> None:
    agreement = str(uuid4())
    path = f"/api/agreements/{agreement}"
    drafted = await world["salla"]("PUT", path, _draft(1))
    assert drafted.status_code == 201
    assert drafted.json() | {"version": 1, "state": "draft", "missing_items": []} == drafted.json()
    assert (await world["salla"]("PUT", path, _draft(1))).status_code == 200
    _refused(await world["salla"]("PUT", path, _draft(1, valid_from="2024-02-01")), 409, "id_reused")
    assert (await world["kela"]("GET", path)).json()["state"] == "draft"
    approval = {"id": str(uuid4()), "version": 1}
    first = await world["kela"]("POST", f"{path}/approvals", approval)
    assert (first.status_code, first.json()["waiting_for"]) == (201, ["kunta-732"])
    again = await world["kela"]("POST", f"{path}/approvals", approval)
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await _approve(world["kela"], agreement, 1)).json()["in_force"] is False
    assert (await _approve(world["salla"], agreement, 1)).json()["in_force"] is True
    found = (await world["kela"]("GET", path)).json()
    assert (found["state"], found["version"], found["terms"]["tariffs"][0]["price"]) == ("in_force", 1, "6.40")
    assert [each["party_id"] for each in found["versions"][0]["approvals"]] == ["kela", "kunta-732"]


async def test_to_a_third_party_no_agreement_exists(world: dict[str, As]) -> None:
    agreement = await _signed(world, 2)
    for path in (agreement, str(uuid4())):  # One that is, and one that is not: the same answer.
        for stranger in ("vero", "alajarvi"):
            _refused(await world[stranger]("GET", f"/api/agreements/{path}"), 404, "not_found")
            _refused(await _approve(world[stranger], path, 1), 404, "not_a_party")
            body = {"id": str(uuid4()), "effective_from": "2024-06-01", "terms": _terms("7.00")}
            _refused(await world[stranger]("POST", f"/api/agreements/{path}/amendments", body), 404, "not_a_party")
            body = {"id": str(uuid4()), "last_day": "2024-12-31", "notice_on": "2024-06-01"}
            _refused(await world[stranger]("POST", f"/api/agreements/{path}/termination", body), 404, "not_a_party")
    assert agreement not in (await world["vero"]("GET", "/api/agreements")).text
    assert (await world["vero"]("GET", "/api/agreements", party="kela")).json() == {"items": [], "next": None}
    _refused(await world["vero"]("PUT", f"/api/agreements/{uuid4()}", _draft(2)), 403, "forbidden")
    assert (await world["ministry"]("GET", f"/api/agreements/{agreement}")).status_code == 200
    assert (await world["adviser"]("GET", f"/api/agreements/{agreement}")).status_code == 200


async def test_two_times_are_answered_as_the_log_says(world: dict[str, As], database: ServiceDatabase) -> None:
    agreement = await _signed(world, 3, valid_until="2026-06-30")
    path = f"/api/agreements/{agreement}"
    for effective_from, price in (("2024-07-01", "7.00"), ("2025-03-01", "7.50"), ("2024-04-01", "7.20")):
        body = {"id": str(uuid4()), "effective_from": effective_from, "terms": _terms(price)}
        proposed = (await world["kela"]("POST", f"{path}/amendments", body)).json()
        for who in ("kela", "salla"):
            assert (await _approve(world[who], agreement, proposed["version"])).status_code == 201
    assert proposed["supersedes"] == [2, 3]
    notice = {"id": str(uuid4()), "last_day": "2025-12-31", "notice_on": "2025-08-01"}
    assert (await world["kela"]("POST", f"{path}/termination", notice)).status_code == 201
    events = await _log(database)
    positions = [int(each["position"]) for each in events if each["data"].get("agreement_id") == agreement]
    rng = random.Random(3)
    days = [dt.date(2023, 12, 1) + dt.timedelta(days=rng.randint(0, 1100)) for _ in range(12)]
    edges = ["2023-12-31", "2024-01-01", "2024-03-31", "2024-04-01", "2024-06-30", "2024-07-01", "2025-12-31"]
    checked = 0
    for known in (positions[0] - 1, *positions):
        for day in (*edges, "2026-01-01", "2026-06-30", "2026-07-01", *map(str, days)):
            expected = naive.state(events, agreement, day, known)
            got = await world["salla"]("GET", path, as_of_valid=day, as_of_known=known)
            if expected is None:
                _refused(got, 404, "not_found")
                continue
            version = naive.in_force(events, agreement, day, known)
            answer = got.json()
            assert answer["state"] == expected, (day, known)
            assert answer["version"] == (version["version"] if version else None), (day, known)
            assert answer["terms"] is None or answer["terms"]["tariffs"][0]["price"] == (
                version and version["terms"]["tariffs"][0]["price"]
            )
            approved = {each["version"]: [a["party_id"] for a in each["approvals"]] for each in answer["versions"]}
            assert approved == naive.approvals(events, agreement, known)
            checked += 1
    assert checked > 200
    moment = next(e["recordedtime"] for e in events if int(e["position"]) == positions[4])
    by_time = (await world["salla"]("GET", path, as_of_known=moment)).json()
    by_position = (await world["salla"]("GET", path, as_of_known=positions[4])).json()
    assert by_time["versions"] == by_position["versions"]
    _refused(await world["salla"]("GET", path, as_of_known="yesterday"), 422, "as_of_known_wrong")


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"terms": _terms(items={})}, None, None),
        ({"service_point_ids": ["piste-732-9"]}, "point_unknown", "/service_point_ids/0"),
        ({"commissioner_ids": ["kunta-732"]}, "provider_is_commissioner", "/commissioner_ids/0"),
        ({"terms": _terms(tasks=["fly"])}, "task_unknown", "/terms/tasks/0"),
        ({"valid_until": "2023-01-01"}, "dates_reversed", "/valid_until"),
        ({"terms": _terms("-6.40")}, "invalid_request", "/terms/tariffs/0/price"),
        ({"extra": 1}, "invalid_request", "/extra"),
    ],
)
async def test_what_is_wrong_is_said_with_its_place_and_changes_nothing(
    world: dict[str, As], database: ServiceDatabase, changes: dict[str, Any], code: str | None, pointer: str | None
) -> None:
    before = len(await _log(database))
    agreement = str(uuid4())
    response = await world["salla"]("PUT", f"/api/agreements/{agreement}", _draft(4, **changes))
    if code is None:  # A draft may lack items; nobody can approve it then.
        assert response.json()["missing_items"] == list(ITEMS)
        refusal = await _approve(world["kela"], agreement, 1)
        _refused(refusal, 422, "items_missing")
        assert [each["pointer"] for each in refusal.json()["errors"]] == [f"/terms/items/{item}" for item in ITEMS]
        assert len(await _log(database)) == before + 1
        return
    _refused(response, 422, code)
    assert pointer in [each["pointer"] for each in response.json()["errors"]]
    assert len(await _log(database)) == before


async def test_amendments_and_notices_that_do_not_fit_are_refused(world: dict[str, As]) -> None:
    agreement = await _signed(world, 5, valid_until="2024-12-31")
    path = f"/api/agreements/{agreement}"

    async def amend(day: str, **more: Any) -> httpx.Response:
        body = {"id": str(uuid4()), "effective_from": day, "terms": _terms("7.00"), **more}
        return await world["salla"]("POST", f"{path}/amendments", body)

    _refused(await amend("2023-12-31"), 422, "amendment_gap")
    _refused(await amend("2025-01-01"), 422, "amendment_gap")
    assert (await amend("2024-02-01")).json()["version"] == 2
    _refused(await amend("2024-03-01"), 409, "amendment_overlap")
    assert (await amend("2024-03-01", replaces=2)).json()["version"] == 3
    _refused(await _approve(world["kela"], agreement, 2), 409, "stale")
    for last_day, code in (("2023-12-31", "termination_before_start"), ("2025-01-01", "termination_after_end")):
        body = {"id": str(uuid4()), "last_day": last_day, "notice_on": "2023-12-01"}
        _refused(await world["kela"]("POST", f"{path}/termination", body), 422, code)
    body = {"id": str(uuid4()), "last_day": "2024-06-30", "notice_on": "2024-03-01"}
    assert (await world["kela"]("POST", f"{path}/termination", body)).status_code == 201
    _refused(await world["kela"]("POST", f"{path}/termination", body | {"id": str(uuid4())}), 409, "already_terminated")


async def test_another_agreement_may_not_cover_the_same(world: dict[str, As]) -> None:
    await _signed(world, 6)
    second = str(uuid4())
    await world["kela"]("PUT", f"/api/agreements/{second}", _draft(6))
    await _approve(world["kela"], second, 1)
    _refused(await _approve(world["salla"], second, 1), 409, "agreement_overlap")
    assert (await world["kela"]("GET", f"/api/agreements/{second}")).json()["state"] == "draft"


async def test_copies_go_to_the_commissioners_feed_without_the_approver(world: dict[str, As]) -> None:
    agreement = await _signed(world, 7)
    feed = (await world["kela"]("GET", "/api/feeds/kela", limit=500)).json()["events"]
    own = [each for each in feed if each["data"]["agreement_id"] == agreement]
    assert [each["type"].split(".")[-2] for each in own] == [
        "AgreementProposed", "AgreementApproved", "AgreementApproved", "AgreementSigned",
    ]  # fmt: skip
    assert all("approver" not in each["data"] for each in own)
    assert (await world["vero"]("GET", "/api/feeds/vero")).json()["events"] == []


async def test_lists_are_paged_and_in_finnish_order(world: dict[str, As]) -> None:
    names: list[str] = []
    after = None
    while True:
        query = {"limit": 3} | ({"after": after} if after else {})
        page = (await world["salla"]("GET", "/api/service-points", **query)).json()
        names += [each["names"]["fi"] for each in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert names == [f"Piste {letter}" for letter in "AVWZÅÄÖ"]
    _refused(await world["salla"]("GET", "/api/parties", after="nobody"), 422, "cursor_unknown")
    everything = [each["agreement_id"] for each in (await world["kela"]("GET", "/api/agreements")).json()["items"]]
    paged, after = [], None
    while after is not None or not paged:
        page = (await world["kela"]("GET", "/api/agreements", limit=2, **({"after": after} if after else {}))).json()
        paged += [each["agreement_id"] for each in page["items"]]
        after = page["next"]
    assert paged == everything == sorted(everything)
    drafts = (await world["kela"]("GET", "/api/agreements", state="draft")).json()["items"]
    assert {each["state"] for each in drafts} == {"draft"}
    _refused(await world["kela"]("GET", "/api/agreements", state="lost"), 422, "state_unknown")


async def test_the_register_keeps_old_names_and_wrong_numbers_out(world: dict[str, As]) -> None:
    keeper = world["keeper"]
    body = {"kind": "state", "family": "uusi", "names": NAMES, "valid_from": "2020-01-01", "business_id": "0112038-8"}
    refusal = await keeper("PUT", "/api/parties/uusi-virasto", body)
    _refused(refusal, 422, "business_id_wrong")
    assert refusal.json()["errors"][0]["pointer"] == "/business_id"
    body["business_id"] = "0112038-9"
    assert (await keeper("PUT", "/api/parties/uusi-virasto", body)).status_code == 201
    renaming = {"id": str(uuid4()), "names": NAMES | {"fi": "Toinen"}, "effective_from": "2025-01-01"}
    assert (await keeper("POST", "/api/parties/uusi-virasto/renaming", renaming)).status_code == 201
    for day, name in (("2024-12-31", "Nimi"), ("2025-01-01", "Toinen")):
        assert (await keeper("GET", "/api/parties/uusi-virasto", on=day)).json()["names"]["fi"] == name
    _refused(await world["salla"]("PUT", "/api/parties/toinen", body), 403, "forbidden")
    _refused(await world["alajarvi"]("PUT", "/api/service-points/piste-732-8", _point(1)), 403, "forbidden")


async def test_read_tables_folded_again_are_the_same(world: dict[str, As], database: ServiceDatabase) -> None:
    """Twice over the same events changes nothing; from nothing, all comes back."""
    own = Database(database.app_dsn, pool_size=2)
    try:
        async with own.transaction() as connection:
            before = await _tables(connection)
            source = RegisterSource()
            await source.load(connection, [])
            placed = [_placed(row) for row in await connection.execute(text(_ROWS))]
            await project(connection, placed, source.register)
            assert await _tables(connection) == before
            for table in store.metadata.sorted_tables:
                await connection.execute(table.delete())
            for at in range(0, len(placed), 5):
                await project(connection, placed[at : at + 5], source.register)
            assert await _tables(connection) == before
            assert before["agreements"]
    finally:
        await own.close()


_ROWS = "SELECT position, event_id, stream, stream_version, type, recorded, body FROM log.events ORDER BY position"


def _placed(row: Any) -> Placed:
    from schemas.envelope import decode
    from schemas.registry import model_of

    model = model_of(row.type)
    assert model is not None
    event = NewEvent(row.stream, row.stream, row.recorded, model.model_validate(decode(row.body).data))
    return Placed(event, None, row.event_id, row.position, row.stream_version, row.recorded)  # type: ignore[arg-type]


async def _tables(connection: Any) -> dict[str, list[Any]]:
    found = {}
    for table in store.metadata.sorted_tables:
        rows = (await connection.execute(table.select())).all()
        found[table.name] = sorted(map(str, rows))
    return found
