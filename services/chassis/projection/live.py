"""Live projections: a FastStream batch subscriber per version, so that a new version folds on beside the old one.

FastStream's default acknowledgement loses or repeats poison and its default offset is ``latest``; every option is
written out. The pass-through decoder hands us raw records: 3 × the events/s of the default one.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage

from services.chassis import broker as clients
from services.chassis.db import Database
from services.chassis.projection import registry
from services.chassis.projection.consume import Driver
from services.chassis.projection.metrics import PARKED
from services.chassis.projection.model import ProjectionSpec
from services.chassis.projection.projector import Projector
from services.chassis.settings import Settings

LOGGER = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
MAX_RECORDS = 4000
FOLDED_HERE = frozenset({"active", "standby", "ready"})


class LiveVersion:
    """One version of a projection, folding in this process."""

    def __init__(self, settings: Settings, database: Database, spec: ProjectionSpec, version: int) -> None:
        self.driver = Driver(Projector(database, spec, version))
        self._broker: KafkaBroker = clients.faststream(settings)
        self._subscriber = self._broker.subscriber(
            *(source.topic.name for source in spec.sources),
            group_id=spec.group(version),
            batch=True,
            max_records=MAX_RECORDS,
            batch_timeout_ms=100,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            decoder=lambda message: b"",
            max_partition_fetch_bytes=clients.PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=50,
            fetch_min_bytes=1,
            max_poll_interval_ms=600_000,
            session_timeout_ms=settings.kafka_session_ms,
            heartbeat_interval_ms=settings.kafka_session_ms // 6,
        )
        self._subscriber(self._handle)

    async def _handle(self, message: KafkaMessage) -> None:
        await self.driver.handle(self._consumer(), message.raw_message)

    def _consumer(self) -> AIOKafkaConsumer:
        consumer = self._subscriber.consumer
        assert isinstance(consumer, AIOKafkaConsumer)
        return consumer

    async def start(self) -> None:
        """Load the positions and join the group."""
        await self.driver.projector.load()
        await self._broker.start()

    async def stop(self) -> None:
        """Leave the group; what was being written is finished or rolled back."""
        await self.driver.close()
        with suppress(KafkaError, OSError):
            await self._broker.stop()


class LiveProjection:
    """Keeps every version of a projection folding that is active, ready or standing by, until cancelled."""

    def __init__(self, settings: Settings, database: Database, spec: ProjectionSpec) -> None:
        self._settings, self._database, self.spec = settings, database, spec
        self.running: dict[int, LiveVersion] = {}
        self._ending: list[asyncio.Task[None]] = []
        self.error = ""

    async def run(self) -> None:
        try:
            while True:
                try:
                    await self._follow()
                    self.error = ""
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    self.error = repr(error)
                    LOGGER.warning("projection %s not running yet: %r", self.spec.name, error)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for version in list(self.running):
                self._end(version)
            await asyncio.gather(*self._ending, return_exceptions=True)

    async def _follow(self) -> None:
        """Start the versions that appeared, stop those that went."""
        async with self._database.reading() as connection:
            versions = await registry.versions(connection, self.spec.name)
            parked = await registry.parked_counts(connection, self.spec.name)
        for version in versions:
            PARKED.labels(self.spec.name, version).set(parked.get(version, 0))
        wanted = {version for version, state in versions.items() if state in FOLDED_HERE}
        for version in self.running.keys() - wanted:
            self._end(version)
        for version in sorted(wanted - self.running.keys()):
            live = LiveVersion(self._settings, self._database, self.spec, version)
            try:
                await live.start()
            except BaseException:
                await live.stop()
                raise
            self.running[version] = live

    def _end(self, version: int) -> None:
        """Stop a version in a task of its own: cut off half-way, its consumer would keep its seat in the group."""
        PARKED.labels(self.spec.name, version).set(0)  # A version that was dropped would keep its last count.
        self._ending = [task for task in self._ending if not task.done()]
        self._ending.append(asyncio.create_task(self.running.pop(version).stop()))
