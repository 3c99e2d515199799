"""A store restored from a backup ends before its topic: the relay stops, nothing may be appended, the service says that
it is not ready; `recover-log` takes back what is missing, to the byte, and everything goes on.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from deploy.dev.broker import Broker
from schemas.topics import AGREEMENTS, DIARY, EVENT_TOPICS
from services.agreements import handlers as agreements
from services.agreements.app import SERVICE as AGREEMENTS_SERVICE
from services.agreements.requests import command_of
from services.chassis import broker as clients
from services.chassis.access import Principal, Role
from services.chassis.errors import Conflict, Unavailable
from services.chassis.log import Command, LogSpec, Outcome, Writer
from services.chassis.recover import recover
from services.chassis.service import Service
from services.diary import handlers as diary
from services.diary.app import SERVICE as DIARY_SERVICE
from services.diary.domain.entries import ReceiveDocument
from services.diary.projection import SPEC as REGISTER
from tests.integration.chain import Chain, chained, eventually, fetch, pairs, seen
from tests.simulation import counter
from tests.simulation.audit import audit, read_log
from tests.simulation.journal import Journal, read_topic
from tests.support import diary as given
from tests.support.databases import Databases, ServiceDatabase

TABLES = {
    "diary": ("read.visits", "read.documents"),
    "agreements": ("read.parties", "read.party_names", "read.agreements", "read.agreement_versions", "read.approvals"),
}
EVERYBODY = frozenset(Role)


def diary_commands() -> list[Command]:
    """Visits, a correction's like, and a paper with its visit."""
    made = [counter.visit(uuid4(), counter.POINTS[each % 8], both=each % 2 == 0) for each in range(20)]
    visit_id = uuid4()
    paper = ReceiveDocument.model_validate(
        {
            "service_point_id": given.SALLA, "authority_id": "kela", "kind": "application", "mode": "handed_over",
            "received_at": dt.datetime.now(dt.UTC), "visit_id": visit_id, "act_no": 1, "late_reason": "other",
            "paper": {"title": "Hakemus"},
            "visit": given.visit(
                occurred_at=dt.datetime.now(dt.UTC), late_reason="other", acts=[given.act(task="receive_document")]
            ),
        }
    )  # fmt: skip
    return [*made, diary.document_command(uuid4(), paper, counter.ADVISER)]


def agreements_commands() -> list[Command]:
    """Parties, and an agreement that both sides approve."""
    provider, authority = f"kunta-{uuid4().hex[:8]}", f"virasto-{uuid4().hex[:8]}"
    point, agreement = f"piste-{uuid4().hex[:8]}", uuid4()

    def ask(method: str, path: str, body: dict[str, Any], party: str | None = None) -> Command:
        return command_of(method, path, body, Principal("keeper", "test", EVERYBODY, party_id=party))

    def party(party_id: str, kind: str) -> Command:
        names = {"fi": party_id, "sv": party_id, "en": party_id}
        body = {"kind": kind, "family": party_id, "names": names, "valid_from": "2007-04-01"}
        return ask("PUT", f"/api/parties/{party_id}", body)

    names = {"fi": "a", "sv": "b", "en": "c"}
    place = {
        "provider_id": provider, "names": names, "municipality_code": "732", "region_code": "19",
        "visiting_address": "Esimerkkikatu 1", "located_in": "town_hall", "accessible": True,
        "confidential_room": True, "remote_room": True, "remote_equipment": True, "common_sign": True,
        "opening_hours": [], "checked_on": "2026-01-02", "open_from": "2012-03-01",
    }  # fmt: skip
    service = {"names": names, "tasks": ["advise"], "standard": True, "valid_from": "2017-06-01"}
    from schemas.agreements import ITEMS

    terms = {
        "tasks": ["advise"], "services": [{"authority_id": authority, "code": "neuvonta"}],
        "items": dict.fromkeys(ITEMS, "x"), "pendency": {"at_receipt": False},
        "tariffs": [{"item": "t1", "kind": "per_act", "authority_id": authority, "price": "5.00"}],
    }  # fmt: skip
    draft = {
        "provider_id": provider, "commissioner_ids": [authority], "service_point_ids": [point],
        "valid_from": "2024-01-01", "signed_on": "2023-12-10", "terms": terms,
    }  # fmt: skip
    approval = {"version": 1}
    path = f"/api/agreements/{agreement}"
    return [
        party(provider, "municipality"),
        party(authority, "state"),
        ask("PUT", f"/api/service-points/{point}", place),
        ask("PUT", f"/api/services/{authority}/neuvonta", service),
        ask("PUT", path, draft, provider),
        ask("POST", f"{path}/approvals", {"id": str(uuid4()), **approval}, provider),
        ask("POST", f"{path}/approvals", {"id": str(uuid4()), **approval}, authority),
    ]


@dataclass
class Case:
    """One service with a log: how it is spoken to, and the store that runs now."""

    name: str
    service: Service
    spec: Any
    commands: Any
    chain: Chain

    def log(self) -> LogSpec:
        made: LogSpec = self.spec(self.chain.settings)
        return made

    async def backup(self, databases: Databases) -> ServiceDatabase:
        """A copy of the store as it is now; nobody may be connected while it is made."""
        await self.chain.close()
        return databases.copy(self.chain.log)

    async def append(self, commands: list[Command], journal: Journal) -> None:
        results = await Writer(self.chain.database, self.log()).append(commands)
        for command, result in zip(commands, results, strict=True):
            assert isinstance(result, Outcome), result
            journal.wish(str(command.id)).answers.append(result.answer)


@pytest.fixture(params=["diary", "agreements"])
async def case(request: pytest.FixtureRequest, broker: Broker, databases: Databases) -> AsyncIterator[Case]:
    broker.clear()
    chain = Chain(databases.migrated(request.param), broker, REGISTER)
    if request.param == "diary":
        await counter.furnish(chain.database)
        made = Case("diary", DIARY_SERVICE, diary.log_spec, diary_commands, chain)
    else:
        made = Case("agreements", AGREEMENTS_SERVICE, agreements.log_spec, agreements_commands, chain)
    await clients.ensure_topics(chain.settings)
    yield made
    await made.chain.close()
    databases.drop(made.chain.log)


async def published(case: Case) -> None:
    """Let a relay run until a seal covers the whole log."""
    relay = case.chain.relay()
    topic = EVENT_TOPICS[case.name]
    async with case.chain.running(relay):

        async def sealed() -> bool:
            head = await case.chain.head()
            found = await seen(case.chain.broker, topic, at_least=head)
            return all(
                any(int(r.headers["position"]) == head and "seal" in r.headers for r in p) for p in found.values()
            )

        await eventually(sealed)


async def state(where: ServiceDatabase) -> dict[str, list[Any]]:
    """Everything of the log and of what is read from it; recovered rows do not know their command."""
    statements = {
        "events": "SELECT position, event_id, stream, stream_version, type, key, partition, previous_position, "
        "previous_leaf, recorded, leaf, body FROM log.events ORDER BY position",
        "entries": "SELECT * FROM log.feed_entries ORDER BY feed, sequence",
        "feeds": "SELECT * FROM log.feed_heads ORDER BY feed",
        "nodes": 'SELECT * FROM log.nodes ORDER BY tree, level, "index"',
        "head": "SELECT position, frontier, tail_positions, tail_leaves FROM log.head",
        **{table: f"SELECT to_jsonb(t) - 'ends' FROM {table} t ORDER BY 1" for table in TABLES[where.service]},
    }
    return {name: [tuple(row) for row in await fetch(where.app_dsn, sql)] for name, sql in statements.items()}


async def restore(case: Case, backup: ServiceDatabase, databases: Databases) -> dict[str, list[Any]]:
    """Put the backup in the place of the store; returns what the store was."""
    before = await state(case.chain.log)
    await case.chain.close()
    databases.drop(case.chain.log)
    case.chain = Chain(backup, case.chain.broker, REGISTER)
    return before


async def test_a_store_restored_behind_its_topic_is_noticed_and_recovered(case: Case, databases: Databases) -> None:
    journal = Journal()
    await case.append(case.commands(), journal)
    await published(case)
    backup = await case.backup(databases)
    await case.append(case.commands(), journal)
    await published(case)
    before = await restore(case, backup, databases)
    missing = len(before["events"]) - await case.chain.head()
    assert missing > 0

    runtime = case.service.runtime(case.chain.settings, ("serve", "relay"))
    await runtime.start()
    try:

        async def red() -> bool:
            codes = {reason.code: reason.blocking for reason in await runtime.reasons()}
            return codes.get("topic_contradicts_store", False) and codes.get("store_not_compared", False)

        await eventually(red, says=runtime.reasons)
        with pytest.raises(Unavailable) as refused:
            await runtime.writer.submit(case.commands()[0])
        assert refused.value.code == "store_not_compared"
        told: list[str] = []
        settings, database = case.chain.settings, case.chain.database
        assert await recover(settings, case.log(), database, write=False, say=told.append) == 1
        assert f"the topic holds {missing} events beyond it" in told[0]
        assert len(await read_log(backup.app_dsn)) == len(before["events"]) - missing
        assert await recover(settings, case.log(), database, write=True, say=told.append) == 0
        assert await recover(settings, case.log(), database, write=True, say=told.append) == 0

        async def green() -> bool:
            return not any(reason.blocking for reason in await runtime.reasons())

        await eventually(green, says=runtime.reasons)
        after = await state(backup)
        assert {name for name in before if before[name] != after[name]} == set()
        fresh = case.commands()
        answers = await asyncio.gather(*(runtime.writer.submit(command) for command in fresh[:3]))
        for command, answer in zip(fresh, answers, strict=False):
            journal.wish(str(command.id)).answers.append(answer.answer)
    finally:
        await runtime.stop()
    assert await audit(backup.app_dsn) == []
    await published(case)
    events = [json.loads(row["body"]) for row in await read_log(backup.app_dsn)]
    told_of = {answer["event_id"]: answer["position"] for w in journal.wishes.values() for answer in w.answers}
    stands = {event["id"]: int(event["position"]) for event in events}
    assert told_of.items() <= stands.items()  # 0 lost: everything that a client was told stands where it was told.
    topic = EVENT_TOPICS[case.name]
    for records in (await seen(case.chain.broker, topic, at_least=len(events))).values():
        assert read_topic(pairs(records))[1] == []


async def test_a_store_that_went_on_after_its_restore_is_a_fork_that_is_not_recovered(
    case: Case, databases: Databases
) -> None:
    """Somebody got around the guard. What is on the topic does not continue the store, and is left alone."""
    await case.append(case.commands(), Journal())
    await published(case)
    backup = await case.backup(databases)
    await case.append(case.commands(), Journal())
    await case.append(case.commands(), Journal())
    await published(case)
    await restore(case, backup, databases)
    from services.chassis import relay_store

    await relay_store.mark_compared(case.chain.database)
    await case.append(case.commands(), Journal())
    rows = await read_log(backup.app_dsn)
    relay = case.chain.relay()
    async with case.chain.running(relay):

        async def stopped() -> bool:
            return bool(relay.status.contradiction)

        await eventually(stopped)
    with pytest.raises(Conflict) as refused:
        await recover(case.chain.settings, case.log(), case.chain.database, write=True, say=lambda line: None)
    assert refused.value.code == "store_forked"
    assert await read_log(backup.app_dsn) == rows


async def test_a_topic_with_a_hole_behind_the_store_is_not_recovered_past_it(case: Case, databases: Databases) -> None:
    await case.append(case.commands(), Journal())
    await published(case)
    transport = await case.chain.connect()
    head = await case.chain.head()
    topic = DIARY if case.name == "diary" else AGREEMENTS
    [last] = [row for row in await read_log(case.chain.log.app_dsn) if row["position"] == head]
    stranger = json.dumps({**json.loads(last["body"]), "position": str(head + 2)}).encode()
    await transport.send(topic.name, last["partition"], chained([(head + 2, stranger)], after=(head, last["leaf"])))
    await transport.close()
    with pytest.raises(Conflict) as refused:
        await recover(case.chain.settings, case.log(), case.chain.database, write=True, say=lambda line: None)
    assert refused.value.code == "topic_gap"
