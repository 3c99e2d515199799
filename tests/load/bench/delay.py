"""How soon a recorded visit is seen: on the topic, on the authority's topic, and as a figure.

All times run from ``recordedtime``, which the store gives inside the append transaction: the commit itself is included.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import DIARY, authority_topic
from services.chassis import broker
from tests.load.bench import settings_of
from tests.load.bench.http import Connection, spread
from tests.load.bench.record import SERVICES, visit

VISITS = 300
PAUSE_SECONDS = 0.05
GIVE_UP_SECONDS = 30
CATCH_UP_SECONDS = 300


class Seen:
    """When each position or sequence was recorded, and when it was seen."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    async def follow(self, consumer: AIOKafkaConsumer) -> None:
        """Note the age of every event when it is read."""
        while True:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                now = time.time()
                for record in records:
                    event = json.loads(record.value)
                    if "streamversion" in event and event["subject"].partition(":")[0] != "log":
                        recorded = dt.datetime.fromisoformat(event["recordedtime"])
                        self.delays.append(now - recorded.timestamp())


async def follower(topic: str, partitions: int) -> tuple[AIOKafkaConsumer, Seen, asyncio.Task[None]]:
    consumer = broker.consumer(settings_of("diary"))
    await consumer.start()
    where = [TopicPartition(topic, partition) for partition in range(partitions)]
    consumer.assign(where)
    await consumer.seek_to_end(*where)
    for each in where:
        await consumer.position(each)
    seen = Seen()
    return consumer, seen, asyncio.create_task(seen.follow(consumer))


async def figure_delays(statistics: str, token: str, recorded: asyncio.Queue[tuple[int, float]]) -> list[float]:
    """Ask for the figure until its positions include the visit."""
    connection = Connection(statistics, {"authorization": f"Bearer {token}"})
    await connection.open()
    delays: list[float] = []
    path = "/api/cube?measures=visits&by=day"
    while len(delays) < VISITS:
        position, at = await recorded.get()
        while True:
            status, answer = await connection.request("GET", path)
            if status != 200:
                raise RuntimeError(answer.decode())
            if json.loads(answer)["positions"][DIARY.name]["known"] >= position:
                break
            if time.time() - at > GIVE_UP_SECONDS:
                raise RuntimeError(f"position {position} is not in the figures after {GIVE_UP_SECONDS} s")
            await asyncio.sleep(0.01)
        delays.append(time.time() - at)
    return delays


async def caught_up(diary: str, statistics: str, adviser: str, ministry: str) -> None:
    """Record one visit and wait until it is a figure: what is measured is the delay, not the backlog before it."""
    recorder = Connection(diary, {"authorization": f"Bearer {adviser}"})
    await recorder.open()
    method, path, body = visit()
    status, answer = await recorder.request(method, path, json.dumps(body).encode())
    if status != 201:
        raise RuntimeError(answer.decode())
    wanted = json.loads(answer)["position"]
    reader = Connection(statistics, {"authorization": f"Bearer {ministry}"})
    await reader.open()
    deadline = time.time() + CATCH_UP_SECONDS
    while time.time() < deadline:
        _, answer = await reader.request("GET", "/api/cube?measures=visits&by=day")
        if json.loads(answer)["positions"][DIARY.name]["known"] >= wanted:
            return
        await asyncio.sleep(0.5)
    raise RuntimeError(f"statistics did not catch up within {CATCH_UP_SECONDS} s")


async def record(diary: str, adviser: str) -> AsyncIterator[tuple[int, float]]:
    """Record visits one by one; yields (position, when it was recorded)."""
    connection = Connection(diary, {"authorization": f"Bearer {adviser}"})
    await connection.open()
    for _ in range(VISITS):
        method, path, body = visit()
        status, answer = await connection.request(method, path, json.dumps(body).encode())
        if status != 201:
            raise RuntimeError(answer.decode())
        stored = json.loads(answer)
        yield stored["position"], dt.datetime.fromisoformat(stored["recorded_at"]).timestamp()
        await asyncio.sleep(PAUSE_SECONDS)


async def run(diary: str, statistics: str, adviser: str, ministry: str) -> dict[str, Any]:
    """Topics first, figures after: asking for a figure again and again is work for the machine too."""
    await caught_up(diary, statistics, adviser, ministry)
    events, on_topic, following = await follower(DIARY.name, DIARY.partitions)
    copies, on_feed, following_feed = await follower(authority_topic("kela", "diary").name, 1)
    async for _ in record(diary, adviser):
        pass
    await asyncio.sleep(1)
    for consumer, task in ((events, following), (copies, following_feed)):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await consumer.stop()
    recorded: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
    figures = asyncio.create_task(figure_delays(statistics, ministry, recorded))
    async for each in record(diary, adviser):
        await recorded.put(each)
    seen_figures = await asyncio.wait_for(figures, 60)
    return {
        "visits": VISITS,
        "kafka": spread(on_topic.delays),
        "authority": spread(on_feed.delays),
        "figure": spread(seen_figures),
        "seen": [len(on_topic.delays), len(on_feed.delays), len(seen_figures)],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("diary", "statistics", "adviser", "ministry", "services"):
        parser.add_argument(f"--{name}", required=True)
    chosen = parser.parse_args()
    SERVICES |= json.loads(chosen.services)
    print(json.dumps(uvloop.run(run(chosen.diary, chosen.statistics, chosen.adviser, chosen.ministry))))
