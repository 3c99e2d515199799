"""The synthetic national register through ``Writer.append``, as the demonstration loads it; the command line on it."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from deploy.demo.network import Network
from services.agreements import queries
from services.agreements.handlers import log_spec
from services.agreements.requests import command_of
from services.chassis.access import Limit, Principal, Role
from services.chassis.db import Database
from services.chassis.log import Outcome, Writer
from services.chassis.settings import Settings
from tests.support.databases import REPOSITORY, ServiceDatabase
from tests.support.naive import agreements as naive

TODAY = dt.date(2026, 11, 24)
ROLES = frozenset({Role.PROVIDER, Role.AUTHORITY, Role.REGISTER_KEEPER})
Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    return service_database("agreements")


@pytest.fixture(scope="module")
async def loaded(database: ServiceDatabase) -> AsyncIterator[tuple[Database, Events]]:
    own = Database(database.app_dsn, pool_size=2)
    writer = Writer(own, log_spec(Settings(database_url=SecretStr(database.app_dsn), feed_secret=SecretStr("5e" * 32))))
    commands = [
        command_of(each.method, each.path, each.body, Principal("load", "test", ROLES, each.party_id))
        for each in Network.make(1, today=TODAY).commands()
    ]
    for at in range(0, len(commands), 256):
        batch = commands[at : at + 256]
        refused = [r for r in await writer.append(batch) if not isinstance(r, Outcome)]
        assert not refused, refused[0].errors
    again = await writer.append(commands[:256])
    assert all(isinstance(each, Outcome) and each.repeated for each in again)
    async with own.reading() as connection:
        rows = (await connection.execute(text("SELECT body FROM log.events ORDER BY position"))).scalars().all()
    yield own, [orjson.loads(row) for row in rows]
    await own.close()


async def test_every_agreement_is_listed_in_the_state_that_the_log_gives_it(loaded: tuple[Database, Events]) -> None:
    own, events = loaded
    async with own.reading() as connection:
        rows = await queries.list_agreements(connection, (Limit(),), queries.Filters(), TODAY)
    assert len(rows) > 500
    last = int(events[-1]["position"])
    merged = {e["data"]["successor_id"] for e in events if e["type"].endswith("PartySucceeded.v1")}
    for row in rows:
        expected = naive.state(events, str(row["agreement_id"]), TODAY.isoformat(), last)
        if row["provider_id"] in merged and expected == "in_force":
            continue  # It may have ended because its commissioner's tasks came to the provider (R9).
        assert row["state"] == expected, row
    assert {row["state"] for row in rows} >= {"in_force", "ended"}


async def test_an_authority_is_shown_its_own_agreements_and_its_predecessors_in_its_area_only(
    loaded: tuple[Database, Events],
) -> None:
    own, events = loaded
    proposed = [e["data"] for e in events if e["type"].endswith("AgreementProposed.v1")]
    async with own.reading() as connection:
        for party in ("kela", "dvv", "te-alue-19", "lvv", "kunta-732"):
            mine = (Limit(party_id=party),)
            rows = await queries.list_agreements(connection, mine, queries.Filters(), TODAY)
            seen = {str(row["agreement_id"]) for row in rows}
            wanted = {each["agreement_id"] for each in proposed if _party_to(events, party, each["agreement"])}
            assert seen == wanted and wanted, party


def _party_to(events: Events, party: str, agreement: dict[str, Any]) -> bool:
    """Whether the party is named, or the tasks of a named one came to it where a point is, one step at a time."""
    where = {
        e["data"]["point"]["municipality_code"]
        for e in events
        if e["type"].endswith("ServicePointRegistered.v1")
        and e["data"]["service_point_id"] in agreement["service_point_ids"]
    }
    named = {agreement["provider_id"], *agreement["commissioner_ids"]}
    for event in events:
        if event["type"].endswith("PartySucceeded.v1"):
            data = event["data"]
            area = data.get("municipality_codes")
            if data["party_id"] in named and (area is None or where & set(area)):
                named.add(data["successor_id"])
    return party in named


def test_the_command_line_shows_an_agreement_as_of_two_times(
    loaded: tuple[Database, Events], database: ServiceDatabase
) -> None:
    _, events = loaded
    amended = next(e for e in events if e["type"].endswith("AgreementAmended.v1"))
    data, position = amended["data"], int(amended["position"])

    def show(known: int) -> dict[str, Any]:
        argv = [sys.executable, "-m", "services.agreements", "show", data["agreement_id"]]
        argv += ["--as-of-valid", data["effective_from"], "--as-of-known", str(known)]
        environment = os.environ | database.environment()
        done = subprocess.run(argv, cwd=REPOSITORY, env=environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return dict(orjson.loads(done.stdout))

    assert show(position)["version"] == data["version"]
    assert show(position - 1)["version"] == data["version"] - 1
