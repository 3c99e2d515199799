"""CSV imports: what is right is recorded, what is wrong says why, and mended it can be sent again."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from services.chassis import ids
from services.chassis.db import Database
from tests.support import diary
from tests.support.databases import REPOSITORY, ServiceDatabase
from tests.support.diary_app import FEED_SECRET, Client
from tests.support.tokens import TokenIssuer

pytest_plugins = ["tests.support.diary_fixtures"]

HEADER = "external_id;occurred_at;authority_id;service;task;channel;quantity;late_reason"


def row(external_id: str, **changes: str) -> str:
    cells = {
        "external_id": external_id,
        "occurred_at": "2026-10-20 10:15",
        "authority_id": "kela",
        "service": "asumistuki",
        "task": "advise",
        "channel": "counter",
        "quantity": "1",
        "late_reason": "offline",
    }
    return ";".join({**cells, **changes}.values())


def file(*rows: str) -> bytes:
    return "\r\n".join([HEADER, *rows]).encode()


@pytest.fixture(scope="module")
def provider(http: httpx.AsyncClient, issuer: TokenIssuer) -> Client:
    return Client(http, issuer, "provider", "kunta-732")


async def send(client: Client, content: bytes, **params: Any) -> httpx.Response:
    query = {"service_point_id": diary.SALLA, **params}
    headers = {**client.headers, "content-type": "text/csv"}
    return await client.http.post("/api/imports", content=content, params=query, headers=headers)


async def visits(store: Database) -> int:
    async with store.reading() as connection:
        return int(
            await connection.scalar(text("SELECT count(*) FROM log.events WHERE type LIKE '%VisitRecorded%'")) or 0
        )


async def test_a_file_is_recorded_once_however_often_it_is_sent(provider: Client, store: Database) -> None:
    content = file(row("a"), row("b"), row("a", service="elakkeet"))
    before = await visits(store)
    first = (await send(provider, content)).json()
    assert first["rows"] == {"read": 3, "recorded": 3, "repeated": 0, "rejected": 0}
    assert await visits(store) == before + 2
    second = (await send(provider, content)).json()
    assert second["rows"] == {"read": 3, "recorded": 0, "repeated": 3, "rejected": 0}
    assert await visits(store) == before + 2
    visit_id = ids.imported_visit_id(diary.SALLA, "a")
    told = (await provider.get(f"/api/visits/{visit_id}")).json()
    assert [each["service"] for each in told["visit"]["acts"]] == ["asumistuki", "elakkeet"]


async def test_rejected_rows_say_why_and_are_mended_and_sent_again(provider: Client, store: Database) -> None:
    content = file(
        row("good"),
        row("task", task="fly"),
        row("half"),
        row("half", quantity="1,5"),
        row("late", late_reason=""),
        row("unknown", authority_id="nasa"),
    )
    response = await send(provider, content)
    report = response.json()
    assert response.status_code == 201, report
    assert report["rows"] == {"read": 6, "recorded": 1, "repeated": 0, "rejected": 5}
    assert [
        (each["line"], each["column"], each["code"]) for each in sorted(report["rejected"], key=lambda e: e["line"])
    ] == [
        (3, "task", "unknown_task"),
        (4, "", "held_back"),
        (5, "quantity", "not_a_whole_number"),
        (6, "late_reason", "late_reason_missing"),
        (7, "authority_id", "unknown_authority"),
    ]
    stored = (await provider.get(f"/api/imports/{report['import_id']}")).json()
    assert stored["rows"] == report["rows"]
    by_line = sorted(report["rejected"], key=lambda each: each["line"])
    assert stored["rejected"] == by_line
    listed = await provider.get(report["rejected_csv"])
    assert listed.headers["content-type"].startswith("text/csv")
    told = list(csv.DictReader(io.StringIO(listed.content.decode("utf-8-sig")), delimiter=";"))
    assert [each["line"] for each in told] == ["3", "4", "5", "6", "7"]
    assert "whole number" in told[2]["reason"]
    mends = {"fly": "advise", "1,5": "2", "nasa": "kela"}
    mended = listed.text
    for wrong, right in mends.items():
        mended = mended.replace(f";{wrong};", f";{right};")
    mended = mended.replace(";counter;1;;", ";counter;1;outage;")
    again = (await send(provider, mended.encode())).json()
    assert again["rows"] == {"read": 5, "recorded": 5, "repeated": 0, "rejected": 0}, again["rejected"]


async def test_a_recorded_row_changed_afterwards_is_rejected_by_name(provider: Client) -> None:
    await send(provider, file(row("changed")))
    report = (await send(provider, file(row("changed", quantity="2")))).json()
    assert [(each["column"], each["code"]) for each in report["rejected"]] == [("external_id", "external_id_reused")]


async def test_a_form_with_a_file_does_the_same(provider: Client) -> None:
    response = await provider.call(
        "POST",
        "/api/imports",
        files={"file": ("v.csv", file(row("form")), "text/csv")},
        data={"service_point_id": diary.SALLA},
    )
    assert (response.status_code, response.json()["rows"]["recorded"]) == (201, 1)


async def test_an_import_id_repeats_its_report_and_is_not_reused(provider: Client) -> None:
    import_id = str(uuid4())
    first = await send(provider, file(row("id-1"), row("id-2", task="fly")), id=import_id)
    again = await send(provider, file(row("id-1"), row("id-2", task="fly")), id=import_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["rows"] == first.json()["rows"]
    other = await send(provider, file(row("id-3")), id=import_id)
    assert (other.status_code, other.json()["code"]) == (409, "id_reused")


async def test_who_may_import(adviser: Client, provider: Client, http: httpx.AsyncClient, issuer: TokenIssuer) -> None:
    assert (await send(adviser, file(row("x")))).status_code == 403
    stranger = Client(http, issuer, "provider", "kunta-091")
    assert (await send(stranger, file(row("x")))).status_code == 403
    report = (await send(provider, file(row("theirs", task="fly")))).json()
    assert (await stranger.get(f"/api/imports/{report['import_id']}")).status_code == 404
    assert (await stranger.get(f"/api/imports/{report['import_id']}/rejected.csv")).status_code == 404


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty_file"),
        (b"a;b\n1;2", 422, "missing_column"),
        (b"x" * (5 * 1024 * 1024 + 1), 413, "too_large"),
    ],
)
async def test_a_file_that_cannot_be_read_changes_nothing(
    provider: Client,
    store: Database,
    content: bytes,
    status: int,
    code: str,
) -> None:
    before = await visits(store)
    response = await send(provider, content)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert await visits(store) == before


async def test_a_point_of_another_in_a_column_is_refused_for_that_row(provider: Client) -> None:
    header = HEADER + ";service_point_id"
    content = "\n".join([header, row("mine") + ";", row("other") + ";" + diary.KEMIJARVI]).encode()
    report = (await send(provider, content)).json()
    assert report["rows"]["recorded"] == 1
    assert [(each["line"], each["code"]) for each in report["rejected"]] == [(3, "forbidden")]


async def test_thousands_of_rows_go_in_batches(provider: Client) -> None:
    report = (await send(provider, file(*(row(f"many-{number}") for number in range(1500))))).json()
    assert report["rows"] == {"read": 1500, "recorded": 1500, "repeated": 0, "rejected": 0}


def run_cli(database: ServiceDatabase, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **database.environment(), "APUDIAARI_FEED_SECRET": FEED_SECRET, **more}
    argv = [sys.executable, "-m", "services.diary", *arguments]
    return subprocess.run(
        argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


async def test_the_command_line_imports_and_writes_what_was_rejected(
    http: httpx.AsyncClient, database: ServiceDatabase, tmp_path: Path
) -> None:
    (tmp_path / "visits.csv").write_bytes(file(row("cli-1"), row("cli-2", task="fly")))
    rejected = tmp_path / "rejected.csv"
    options = ("import", str(tmp_path / "visits.csv"), "--point", diary.SALLA, "--rejected", str(rejected))
    done = await asyncio.to_thread(run_cli, database, *options)
    assert done.returncode == 1, done.stderr
    assert "1 recorded, 0 repeated, 1 rejected" in done.stdout
    assert "unknown_task" in done.stdout
    rejected.write_text(rejected.read_text().replace(";fly;", ";advise;"))
    mended = await asyncio.to_thread(run_cli, database, "import", str(rejected), "--point", diary.SALLA)
    assert mended.returncode == 0, mended.stdout
    unknown = await asyncio.to_thread(run_cli, database, "import", str(rejected), "--point", "piste-999-9")
    assert (unknown.returncode, "unknown_service_point" in unknown.stderr) == (1, True)
