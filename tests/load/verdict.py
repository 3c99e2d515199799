"""The verdict over a running stack: every acknowledged command once in log, topic, feed and projections; drift 0.

Rows are read as superuser, records by another client library; what is right is the clients' journal, and then a naive
recount event by event.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections import Counter
from typing import Any

import asyncpg

from deploy.dev.supervisor import Stack
from schemas.topics import EVENT_TOPICS, authority_topic
from services.statistics.cubes import CUBES
from tests.integration.chain import Topics, pairs, seen
from tests.load.crowd import Crowd
from tests.simulation.audit import audit
from tests.simulation.journal import judge_log, lost_or_doubled, read_topic
from tests.simulation.tally import naive_acts
from tests.support.naive.statistics import fold

READERS = ("diary", "billing", "statistics")
LOGS = ("diary", "agreements")


def dsn(stack: Stack, service: str) -> str:
    """The service's database as superuser."""
    return stack.postgres.dsn(f"apudiaari_{service}", "postgres")


async def rows(stack: Stack, service: str, statement: str, *values: Any) -> list[Any]:
    connection = await asyncpg.connect(dsn(stack, service), timeout=5)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def standing(stack: Stack) -> dict[tuple[str, str], int]:
    """(reader, topic) → up to where its active projection is sealed in every partition."""
    found: dict[tuple[str, str], int] = {}
    for service in READERS:
        for row in await rows(
            stack,
            service,
            "SELECT topic, min(sealed) AS sealed FROM projection.positions JOIN projection.versions "
            "USING (projection, version) WHERE versions.state = 'active' GROUP BY topic",
        ):
            found[service, row["topic"]] = row["sealed"]
    return found


async def heads(stack: Stack) -> dict[str, int]:
    """Topic → head of its log."""
    return {
        topic.name: (await rows(stack, service, "SELECT position FROM log.head"))[0][0]
        for service, topic in EVENT_TOPICS.items()
    }


async def judge(stack: Stack, crowd: Crowd) -> list[str]:
    """Everything that is wrong, once everything has come to rest."""
    wrong = [f"odd answer: {each}" for each in crowd.odd]
    for service in LOGS:
        journal = crowd.diary if service == "diary" else crowd.agreements
        events = await rows(stack, service, "SELECT partition, body FROM log.events ORDER BY position")
        wrong += [f"{service}: {each}" for each in await audit(dsn(stack, service))]
        wrong += [f"{service}: {each}" for each in judge_log(journal, (json.loads(row["body"]) for row in events))]
        wrong += await _judge_topics(stack, service, events)
    bodies = [row["body"] for row in await rows(stack, "diary", "SELECT body FROM log.events ORDER BY position")]
    return [*wrong, *await _judge_statistics(stack, bodies), *await _judge_billing(stack, bodies)]


async def _judge_topics(stack: Stack, service: str, events: list[Any]) -> list[str]:
    topic = EVENT_TOPICS[service]
    feeds = [row["feed"] for row in await rows(stack, service, "SELECT feed FROM log.feed_heads")]
    topics = [topic, *(authority_topic(feed, service) for feed in feeds)]
    found = await seen(stack.broker, *topics, at_least=len(events))
    wrong: list[str] = []
    for partition in range(topic.partitions):
        logged = [json.loads(row["body"]) for row in events if row["partition"] == partition]
        wrong += _same(found, (topic.name, partition), logged)
    for feed in feeds:
        entries = await rows(
            stack, service, "SELECT body FROM log.feed_entries WHERE feed = $1 ORDER BY sequence", feed
        )
        place = authority_topic(feed, service).name, 0
        wrong += _same(found, place, [json.loads(row["body"]) for row in entries])
    return wrong


def _same(found: Topics, place: tuple[str, int], wanted: list[dict[str, Any]]) -> list[str]:
    events, wrong = read_topic(pairs(found[place]))
    if events != wanted:
        wrong.append(f"folds to {len(events)} events instead of {len(wanted)}")
    return [f"{place[0]}-{place[1]}: {each}" for each in wrong]


async def _judge_statistics(stack: Stack, bodies: list[bytes]) -> list[str]:
    """Every cube of visits and acts against the naive fold."""
    naive = await asyncio.to_thread(fold, bodies)
    wrong: list[str] = []
    for cube in ("acts_month", "acts_day", "acts_hour", "visits_day"):
        key, counts = CUBES[cube]
        cells = await rows(stack, "statistics", f"SELECT * FROM statistics_v1.{cube}")
        found = {
            tuple(_plain(row[name]) for name in key): {name: row[name] for name in counts if row[name]}
            for row in cells
            if any(row[name] for name in counts)
        }
        wanted = {
            cell: {name: count for name, count in values.items() if count}
            for cell, values in naive.get(cube, {}).items()
        }
        if found != wanted:
            differ = {cell for cell in found.keys() | wanted.keys() if found.get(cell) != wanted.get(cell)}
            wrong.append(f"statistics: {len(differ)} cells of {cube} drifted, such as {sorted(map(str, differ))[0]}")
    return wrong


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


async def _judge_billing(stack: Stack, bodies: list[bytes]) -> list[str]:
    """Every act with its sign, and what they add up to."""
    events = [json.loads(body) for body in bodies]
    acts = await rows(
        stack, "billing", "SELECT position, sign, act_no, point, authority, quantity FROM billing_v1.acts"
    )
    wanted = [
        (int(event["position"]), sign, act["act_no"])
        for event in events
        for part, sign in (("visit", 1), ("after", 1), ("before", -1))
        for act in (event["data"].get(part) or {}).get("acts", ())
    ]
    wrong = lost_or_doubled(wanted, [(row["position"], row["sign"], row["act_no"]) for row in acts], "billing's acts")
    sums: Counter[tuple[str, str]] = Counter()
    quantities: Counter[tuple[str, str]] = Counter()
    for row in acts:
        sums[row["point"], row["authority"]] += row["sign"]
        quantities[row["point"], row["authority"]] += row["sign"] * row["quantity"]
    found = {cell: (sums[cell], quantities[cell]) for cell in sums if sums[cell] or quantities[cell]}
    if found != naive_acts(events):
        wrong.append("billing: the acts do not add up to the naive count")
    return wrong
