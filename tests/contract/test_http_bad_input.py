"""Bad input gets its own code, says where and what to do, and changes nothing (RFC 9457)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.contract import shapes
from tests.support.isolation.people import ADVISER, KEEPER, MANAGER, PROVIDER, VERO, DataSet, Person
from tests.support.isolation.seed import HELSINKI, act, draft, last_month, names, terms, visit
from tests.support.isolation_fixtures import Platform

pytest_plugins = ["tests.support.isolation_fixtures"]

Make = Callable[[DataSet], dict[str, Any]]
OLD_TASK_DAY = dt.datetime(2016, 3, 1, 10, tzinfo=HELSINKI)
BEFORE_THE_POINT = dt.datetime(2011, 3, 1, 10, tzinfo=HELSINKI)


@dataclass(frozen=True)
class Bad:
    """A request that must be refused: its options from a data set, and the refusal's status, code and pointer."""

    name: str
    service: str
    who: Person
    method: str
    path: Callable[[DataSet], str]
    options: Make
    status: int
    code: str
    pointer: str | None
    query: dict[str, str] = field(default_factory=dict)


def now() -> dt.datetime:
    return dt.datetime.now(HELSINKI)


def new_visit(name: str, status: int, code: str, pointer: str | None, make: Make) -> Bad:
    path = lambda _: f"/api/visits/{uuid4()}"  # noqa: E731  # A name for a one-line function helps nobody here.
    return Bad(name, "diary", ADVISER, "PUT", path, lambda d: {"json": make(d)}, status, code, pointer)


def on_visit(name: str, what: str, status: int, code: str, pointer: str | None, make: Make) -> Bad:
    path = lambda d: f"/api/visits/{d.visits[1]}/{what}"  # noqa: E731
    return Bad(name, "diary", ADVISER, "POST", path, lambda d: {"json": make(d)}, status, code, pointer)


def on_agreement(name: str, who: Person, what: str, status: int, code: str, pointer: str | None, make: Make) -> Bad:
    path = lambda d: f"/api/agreements/{d.agreement}/{what}"  # noqa: E731
    return Bad(name, "agreements", who, "POST", path, lambda d: {"json": make(d)}, status, code, pointer)


def run(name: str, status: int, code: str, pointer: str | None, make: Make) -> Bad:
    return Bad(
        name, "billing", PROVIDER, "POST", lambda _: "/api/runs", lambda d: {"json": make(d)}, status, code, pointer
    )


def acted(**changes: Any) -> Make:
    return lambda d: visit(d, now(), acts=[act(d, **changes)])


def change(d: DataSet, based_on: int, **more: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "based_on": based_on, "reason": "mistake", **more}


def file(content: bytes) -> Make:
    return lambda d: {
        "content": content,
        "headers": {"content-type": "text/csv"},
        "params": {"service_point_id": d.point},
    }


CSV_HEAD = b"external_id;occurred_at;authority_id;service;task;channel\n"

CASES = (
    new_visit(
        "unknown point", 422, "unknown_service_point", "/service_point_id",
        lambda d: visit(d, now()) | {"service_point_id": "piste-000-9"},
    ),
    new_visit("unknown authority", 422, "unknown_authority", "/acts/0/authority_id", acted(authority_id="nasa")),
    new_visit("unknown service", 422, "unknown_service", "/acts/0/service", acted(service="kuulento")),
    new_visit("unknown task", 422, "unknown_task", "/acts/0/task", acted(task="dance")),
    new_visit(
        "a task that the law did not know on that day", 422, "unknown_task", "/acts/0/task",
        lambda d: visit(d, OLD_TASK_DAY, acts=[act(d, task="advise")]),
    ),
    new_visit(
        "a service that was not there on that day", 422, "unknown_service", "/acts/0/service",
        lambda d: visit(d, OLD_TASK_DAY, acts=[act(d, task="identify")]),
    ),
    new_visit(
        "a visit in the future", 422, "in_future", "/occurred_at",
        lambda d: visit(d, now() + dt.timedelta(hours=1), late_reason=None),
    ),
    new_visit(
        "before the point existed", 422, "before_point_opened", "/occurred_at", lambda d: visit(d, BEFORE_THE_POINT)
    ),
    new_visit("negative quantity", 422, "quantity_out_of_range", "/acts/0/quantity", acted(quantity=-1)),
    new_visit("no quantity", 422, "quantity_out_of_range", "/acts/0/quantity", acted(quantity=0)),
    new_visit("absurd quantity", 422, "quantity_out_of_range", "/acts/0/quantity", acted(quantity=10**9)),
    new_visit("beyond any number", 422, "less_than_equal", "/acts/0/quantity", acted(quantity=2**60)),
    new_visit("negative minutes", 422, "minutes_out_of_range", "/acts/0/minutes", acted(minutes=-5)),
    new_visit("more minutes than a day has", 422, "minutes_out_of_range", "/acts/0/minutes", acted(minutes=1441)),
    new_visit(
        "absurdly many customers", 422, "customers_out_of_range", "/customers",
        lambda d: visit(d, now(), customers=100_000),
    ),
    new_visit(
        "late without a reason", 422, "late_reason_missing", "/late_reason",
        lambda d: visit(d, now() - dt.timedelta(days=3)) | {"late_reason": None},
    ),
    Bad(
        "an id reused with another body", "diary", ADVISER, "PUT", lambda d: f"/api/visits/{d.visits[1]}",
        lambda d: {"json": visit(d, now(), customers=7)}, 409, "id_reused", None,
    ),
    on_visit(
        "a stale correction", "corrections", 409, "stale", "/based_on", lambda d: change(d, 9, visit=visit(d, now()))
    ),
    on_visit("a stale void", "void", 409, "stale", "/based_on", lambda d: change(d, 9)),
    on_visit("an unknown reason", "void", 422, "unknown_reason", "/reason", lambda d: change(d, 1, reason="bored")),
    Bad(
        "a body over the limit", "diary", ADVISER, "PUT", lambda _: f"/api/visits/{uuid4()}",
        lambda d: {"content": b'{"a":"' + b"x" * 1_100_000 + b'"}', "headers": {"content-type": "application/json"}},
        413, "too_large", None,
    ),
    Bad(
        "no JSON", "diary", ADVISER, "PUT", lambda _: f"/api/visits/{uuid4()}",
        lambda d: {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "malformed_json", None,
    ),
    Bad(
        "no UUID", "diary", ADVISER, "PUT", lambda _: "/api/visits/first", lambda d: {"json": visit(d, now())},
        422, "invalid_request", "/path/visit_id",
    ),
    Bad(
        "a CSV without a needed column", "diary", MANAGER, "POST", lambda _: "/api/imports",
        file(b"external_id;task\n1;advise\n"), 422, "missing_column", None,
    ),
    Bad(
        "a CSV that is no text", "diary", MANAGER, "POST", lambda _: "/api/imports", file(b"\xff\xfe\x00\x81" * 50),
        422, "not_utf8", None,
    ),
    Bad(
        "an empty CSV", "diary", MANAGER, "POST", lambda _: "/api/imports", file(b""), 422, "empty_file", None
    ),
    Bad(
        "a file that is no CSV", "diary", MANAGER, "POST", lambda _: "/api/imports",
        lambda d: {"content": b"%PDF-1.7", "headers": {"content-type": "application/pdf"}},
        415, "unsupported_media_type", None,
    ),
    on_agreement(
        "an amendment that leaves a gap", PROVIDER, "amendments", 422, "amendment_gap", "/effective_from",
        lambda d: {"id": str(uuid4()), "effective_from": "2020-01-01", "terms": terms(d, "9.99")},
    ),
    on_agreement(
        "approval by a third party", VERO, "approvals", 404, "not_a_party", None,
        lambda d: {"id": str(uuid4()), "version": 1},
    ),
    on_agreement(
        "approval of what is not open", PROVIDER, "approvals", 409, "stale", "/version",
        lambda d: {"id": str(uuid4()), "version": 7},
    ),
    Bad(
        "a draft in place of what is in force", "agreements", PROVIDER, "POST",
        lambda d: f"/api/agreements/{d.agreement}/draft", lambda d: {"json": change_draft(d)},
        409, "already_in_force", None,
    ),
    run(
        "a run for an open month", 422, "period_open", "/period",
        lambda d: {"id": str(uuid4()), "provider_id": d.provider, "period": f"{now():%Y-%m}"},
    ),
    run(
        "a run behind its inputs", 409, "projection_behind", None,
        lambda d: {
            "id": str(uuid4()), "provider_id": d.provider, "period": f"{last_month():%Y-%m}",
            "at_least": {"diary": 10**9},
        },
    ),
    run(
        "a run for another provider", 403, "forbidden", None,
        lambda d: {"id": str(uuid4()), "provider_id": "kunta-320", "period": f"{last_month():%Y-%m}"},
    ),
    Bad(
        "a wrong Y-tunnus", "agreements", KEEPER, "PUT", lambda _: "/api/parties/kunta-999",
        lambda d: {"json": party("0246246-1")}, 422, "business_id_wrong", "/business_id",
    ),
    Bad(
        "no Y-tunnus at all", "agreements", KEEPER, "PUT", lambda _: "/api/parties/kunta-999",
        lambda d: {"json": party("246246")}, 422, "string_pattern_mismatch", "/business_id",
    ),
    Bad(
        "a question to the statistics that nothing answers", "statistics", Person("vm", "ministry", "vm"), "GET",
        lambda _: "/api/cube?measures=visits&by=task", lambda d: {}, 422, "measure_not_defined_by", "/query/measures",
    ),
)  # fmt: skip


def change_draft(d: DataSet) -> dict[str, Any]:
    return {"id": str(uuid4()), "based_on": 1, **draft(d)}


def party(business_id: str) -> dict[str, Any]:
    return {
        "kind": "municipality", "family": "kunta-999", "names": names("Kunta"), "valid_from": "2010-01-01",
        "business_id": business_id,
    }  # fmt: skip


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
async def test_bad_input_is_refused_in_its_own_words(platform: Platform, bad: Bad) -> None:
    data = platform.sets[0]
    before = await platform.surface.heads()
    answer = await platform.surface.ask(bad.service, bad.who, bad.method, bad.path(data), **bad.options(data))
    body = refusal(answer)
    codes = {body["code"], *(each["code"] for each in body.get("errors", []))}
    assert (answer.status_code, bad.code in codes) == (bad.status, True), answer.text
    if bad.pointer is not None:
        assert bad.pointer in {each["pointer"] for each in body["errors"]}, answer.text
    assert await platform.surface.heads() == before


def refusal(answer: httpx.Response) -> dict[str, Any]:
    """A problem+json that says what is wrong in a sentence, and repeats nothing of our insides."""
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    Draft202012Validator(shapes.PROBLEM).validate(body)
    assert body["status"] == answer.status_code
    assert body["type"].endswith(body["code"])
    assert len(body["detail"]) > 15 and body["detail"].endswith("."), body["detail"]
    assert not {"Traceback", "sqlalchemy", "asyncpg", "/work/"} & set(answer.text.split())
    return body


async def test_projection_behind_names_the_partitions(platform: Platform) -> None:
    body = {"id": str(uuid4()), "provider_id": "kunta-732", "period": f"{last_month():%Y-%m}"}
    body["at_least"] = {"agreements": 10**9}  # type: ignore[assignment]
    answer = await platform.surface.ask("billing", PROVIDER, "POST", "/api/runs", json=body)
    pointers = {each["pointer"] for each in refusal(answer)["errors"]}
    assert pointers == {"/partitions/apudiaari.agreements.events/0"}


async def test_a_second_amendment_while_one_is_open_is_refused(platform: Platform) -> None:
    """Two open amendments would overlap; the second must say that it takes the first one's place."""
    ask, data = platform.surface.ask, platform.sets[2]
    provider = Person("provider", "provider", data.provider)
    path = f"/api/agreements/{data.agreement}/amendments"
    first = {"id": str(uuid4()), "effective_from": "2026-01-01", "terms": terms(data, "5.55")}
    made = await ask("agreements", provider, "POST", path, json=first)
    assert made.status_code == 201, made.text
    before = await platform.surface.heads()
    second = first | {"id": str(uuid4()), "effective_from": "2026-02-01"}
    answer = await ask("agreements", provider, "POST", path, json=second)
    assert (answer.status_code, refusal(answer)["code"]) == (409, "amendment_overlap")
    assert await platform.surface.heads() == before
    instead = await ask("agreements", provider, "POST", path, json=second | {"replaces": made.json()["version"]})
    assert instead.status_code == 201, instead.text


async def test_a_rejected_row_of_a_file_says_why_and_changes_nothing(platform: Platform) -> None:
    data = platform.sets[0]
    row = f"bad-{uuid4()};{now().isoformat()};{data.authority};kuulento;advise;counter\n".encode()
    before = await platform.surface.heads()
    options = file(CSV_HEAD + row)(data)
    answer = await platform.surface.ask("diary", MANAGER, "POST", "/api/imports", **options)
    assert answer.status_code == 201
    (rejected,) = answer.json()["rejected"]
    assert (rejected["line"], rejected["code"]) == (2, "unknown_service")
    assert rejected["detail"].endswith(".")
    assert await platform.surface.heads() == before
