"""From a Kafka consumer to a projector: one batch at a time when live, overlapped when a long log is read again.

Law: offsets are committed to Kafka only after the database has committed, and are the ones stored there; they never run
ahead. The consumer is told to pause, to seek, or to read again from the start; it is never told to skip.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.chassis.projection import metrics, registry
from services.chassis.projection.projector import Prepared, Projector, Stale, Taken

LOGGER = logging.getLogger(__name__)
HOLD_POLL_SECONDS = 0.2
AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Back-off of reading again from the start while there is a gap, and of a database that is away."""


class Driver:
    """Hands a consumer's records to a projector and steers the consumer by what came of them."""

    def __init__(self, projector: Projector) -> None:
        self.projector = projector
        self._paused: dict[TopicPartition, str] = {}
        self._gaps: set[TopicPartition] = set()
        self._taken: Counter[TopicPartition] = Counter()
        self._wakers: set[asyncio.Task[None]] = set()

    async def handle(self, consumer: AIOKafkaConsumer, records: Iterable[ConsumerRecord]) -> None:
        """Prepare and write one batch; on any trouble leave the database as it is and read the batch again."""
        for topic, parts in _by_topic(records).items():
            try:
                prepared = await self.projector.prepare(topic, parts)
                await self.write(consumer, prepared)
            except Stale:
                await self._again(consumer, topic, parts)
            except asyncio.CancelledError:
                raise
            except Exception:
                LOGGER.exception("batch not written; it is read again", extra={"topic": topic})
                metrics.FAILURES.labels(self.projector.spec.name).inc()
                await asyncio.sleep(AGAIN_SECONDS[1])
                await self._again(consumer, topic, parts)

    async def write(self, consumer: AIOKafkaConsumer, prepared: Prepared) -> None:
        """Write a prepared batch, then commit its offsets and steer."""
        started = time.perf_counter()
        await self.projector.write(prepared)
        metrics.observe(self.projector, prepared, time.perf_counter() - started)
        offsets = {TopicPartition(prepared.topic, p): part.resume for p, part in prepared.taken.items()}
        with suppress(KafkaError):  # The group was lost, or the broker is away: the database position decides.
            await consumer.commit(offsets)
        for partition, part in prepared.taken.items():
            self._steer(consumer, TopicPartition(prepared.topic, partition), part.stopped, part.resume)

    def _steer(self, consumer: AIOKafkaConsumer, where: TopicPartition, stopped: str, resume: int) -> None:
        self._taken[where] += 1
        if not stopped or where not in consumer.assignment():
            return
        if stopped == "ahead":
            if where not in self._gaps:
                self._gaps.add(where)
                self._later(self._fill_gap(consumer, where))
            return
        LOGGER.warning("partition %s-%d stopped: %s", where.topic, where.partition, stopped)
        consumer.pause(where)
        consumer.seek(where, resume)
        self._paused[where] = stopped
        if stopped == "hold":
            self._later(self._await_release(consumer, where))

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._wakers.add(task)
        task.add_done_callback(self._wakers.discard)

    async def _fill_gap(self, consumer: AIOKafkaConsumer, where: TopicPartition) -> None:
        """An absence waits: what is missing may come behind what was read, or stand before it.

        So reading goes on; only when nothing more has come for a while is it begun again from the start.
        """
        times = 0
        try:
            while (where.topic, where.partition) in self.projector.gaps and where not in self._paused:
                taken = self._taken[where]
                await asyncio.sleep(AGAIN_SECONDS[min(times, len(AGAIN_SECONDS) - 1)])
                if where not in consumer.assignment():
                    return
                with suppress(KafkaError):
                    if taken == self._taken[where] and await _read_out(consumer, where):
                        LOGGER.warning("partition %s-%d is read again from the start", where.topic, where.partition)
                        times += 1
                        await consumer.seek_to_beginning(where)
        finally:
            self._gaps.discard(where)

    async def _await_release(self, consumer: AIOKafkaConsumer, where: TopicPartition) -> None:
        while True:
            await asyncio.sleep(HOLD_POLL_SECONDS)
            with suppress(Exception):
                async with self.projector.database.reading() as connection:
                    if where.topic not in await registry.held(connection, self.projector.spec.name):
                        break
        await self.projector.load()
        self._resume(consumer, where)

    def _resume(self, consumer: AIOKafkaConsumer, where: TopicPartition) -> None:
        self._paused.pop(where, None)
        if where in consumer.assignment():
            consumer.resume(where)

    async def _again(
        self, consumer: AIOKafkaConsumer, topic: str, parts: Mapping[int, Sequence[ConsumerRecord]]
    ) -> None:
        """Take the batch again from where the database stands."""
        while True:
            try:
                await self.projector.load()
                break
            except Exception:
                LOGGER.warning("the database is away; waiting")
                await asyncio.sleep(AGAIN_SECONDS[2])
        for partition, records in parts.items():
            where = TopicPartition(topic, partition)
            if where in consumer.assignment():
                consumer.seek(where, records[0].offset)

    async def close(self) -> None:
        """Stop waiting for anything."""
        for task in list(self._wakers):
            task.cancel()


async def _read_out(consumer: AIOKafkaConsumer, where: TopicPartition) -> bool:
    """Whether everything was taken that the consumer has heard of; an inexact end only makes it read more."""
    end = consumer.highwater(where)
    return end is None or await consumer.position(where) >= end


def _by_topic(records: Iterable[ConsumerRecord]) -> dict[str, dict[int, list[ConsumerRecord]]]:
    grouped: dict[str, dict[int, list[ConsumerRecord]]] = {}
    for record in records:
        grouped.setdefault(record.topic, {}).setdefault(record.partition, []).append(record)
    return grouped


async def catch_up(consumer: AIOKafkaConsumer, driver: Driver, *, max_records: int = 20_000) -> None:
    """Read and write for ever, overlapped: one batch is fetched and judged, one decoded and folded, one written.

    Cancel it to stop. After :class:`Stale` everything is taken again from the database's positions.
    """
    while True:
        line = _Line(consumer, driver, max_records)
        stages = [asyncio.create_task(stage()) for stage in (line.fetch, line.fold, line.write)]
        try:
            ended, _ = await asyncio.wait(stages, return_when=asyncio.FIRST_COMPLETED)
            for stage in ended:
                stage.result()
        except Stale:
            LOGGER.info("positions moved underneath; taking up from the database")
        finally:
            for stage in stages:
                stage.cancel()
            await asyncio.gather(*stages, return_exceptions=True)
        await driver.projector.load()
        await seek_to_stored(consumer, driver.projector)


class _Line:
    """Three stages with room for one batch between them. Each keeps the order of the batches."""

    def __init__(self, consumer: AIOKafkaConsumer, driver: Driver, max_records: int) -> None:
        self._consumer, self._driver, self._max_records = consumer, driver, max_records
        self._taken: asyncio.Queue[tuple[str, dict[int, Taken]]] = asyncio.Queue(maxsize=1)
        self._folded: asyncio.Queue[Prepared] = asyncio.Queue(maxsize=1)

    async def fetch(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=200, max_records=self._max_records)
            for topic, parts in _by_topic(r for batch in fetched.values() for r in batch).items():
                await self._taken.put((topic, self._driver.projector.take(topic, parts)))

    async def fold(self) -> None:
        while True:
            await self._folded.put(await self._driver.projector.fold(*await self._taken.get()))

    async def write(self) -> None:
        while True:
            await self._driver.write(self._consumer, await self._folded.get())


async def seek_to_stored(consumer: AIOKafkaConsumer, projector: Projector) -> None:
    """Move a consumer with its own assignment to the offsets of the database; a hint, which the rule checks."""
    async with projector.database.reading() as connection:
        parts = await registry.partitions(connection, projector.spec.name, projector.version)
    for part in parts:
        consumer.seek(TopicPartition(part.topic, part.partition), part.offset)
