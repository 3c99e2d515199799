"""A projection from Kafka to committed rows, with the very loop of a rebuild: ``fold --service billing``."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import resource
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import uvloop
from aiokafka import TopicPartition

from services.chassis import broker
from services.chassis.db import Database
from services.chassis.process import tune
from services.chassis.projection import registry
from services.chassis.projection.consume import Driver, catch_up, seek_to_stored
from services.chassis.projection.model import ProjectionSpec
from services.chassis.projection.projector import Projector
from services.chassis.settings import Settings
from tests.load.bench import settings_of


class Meter(Driver):
    """A driver that notes when so many events have been committed, and the memory then."""

    def __init__(self, projector: Projector, marks: Sequence[int]) -> None:
        super().__init__(projector)
        self.events, self.marks = 0, list(marks)
        self.reached: list[dict[str, float]] = []
        self.started = time.perf_counter()

    async def write(self, consumer: Any, prepared: Any) -> None:
        """Write, then note the marks passed."""
        await super().write(consumer, prepared)
        self.events += sum(len(part.raws) for part in prepared.taken.values())
        while self.marks and self.events >= self.marks[0]:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            seconds = round(time.perf_counter() - self.started, 2)
            self.reached.append({"events": self.marks.pop(0), "seconds": seconds, "peak_mb": memory})


async def fold_until(
    settings: Settings, database: Database, spec: ProjectionSpec, version: int, marks: Sequence[int] = ()
) -> Meter:
    """Fold all topics to their present ends, with the very loop of a rebuild."""
    projector = Projector(database, spec, version)
    await projector.load()
    meter = Meter(projector, marks)
    consumer = broker.consumer(settings, group_id=f"bench.{spec.group(version)}")
    await consumer.start()
    where = [TopicPartition(s.topic.name, p) for s in spec.sources for p in range(s.topic.partitions)]
    consumer.assign(where)
    ends = await consumer.end_offsets(where)
    await seek_to_stored(consumer, projector)
    meter.started = time.perf_counter()
    folding = asyncio.create_task(catch_up(consumer, meter))
    try:
        while not await _at(database, spec, version, ends):
            await asyncio.wait({folding}, timeout=0.1)
            if folding.done():
                folding.result()
    finally:
        folding.cancel()
        with suppress(asyncio.CancelledError):
            await folding
        await consumer.stop()
    return meter


async def _at(database: Database, spec: ProjectionSpec, version: int, ends: dict[TopicPartition, int]) -> bool:
    async with database.reading() as connection:
        parts = await registry.partitions(connection, spec.name, version)
    if stopped := [part for part in parts if part.state in {"halted", "forked"}]:
        raise RuntimeError(f"{stopped[0].topic}-{stopped[0].partition}: {stopped[0].reason}")
    return all(part.offset >= ends[TopicPartition(part.topic, part.partition)] for part in parts)


async def run(service: str, marks: Sequence[int]) -> dict[str, Any]:
    settings = settings_of(service)
    spec: ProjectionSpec = importlib.import_module(f"services.{service}.consumers").PROJECTIONS[0]
    assert settings.owner_database_url is not None
    owner = Database(settings.owner_database_url.get_secret_value(), pool_size=2)
    database = Database(settings.database_url.get_secret_value())
    async with owner.transaction() as connection:
        version = max(await registry.versions(connection, spec.name)) + 1
        await registry.create_version(connection, spec, version, app_role=f"{service}_app")
    meter = await fold_until(settings, database, spec, version, marks)
    folded = time.perf_counter() - meter.started
    async with owner.transaction() as connection:
        await spec.finish(connection, spec.schema(version))
    seconds = time.perf_counter() - meter.started
    async with owner.transaction() as connection:
        await registry.drop(connection, spec, version)
    await owner.close()
    await database.close()
    return {
        "events": meter.events,
        "seconds": round(seconds, 2),
        "finish_seconds": round(seconds - folded, 2),
        "per_s": round(meter.events / seconds),
        "marks": meter.reached,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    tune()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--marks", default="250000,500000,1000000")
    chosen = parser.parse_args()
    print(json.dumps(uvloop.run(run(chosen.service, [int(mark) for mark in chosen.marks.split(",")]))))
