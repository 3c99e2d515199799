"""One process of a service: what it runs, in which order it starts and stops, and whether it is ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import text

from services.chassis import broker
from services.chassis.db import Database, Listener
from services.chassis.evidence.signing import SigningKey, generate_signing_key, load_signing_key
from services.chassis.log import Command, LogSpec, Writer
from services.chassis.log.append import Result
from services.chassis.log.metrics import observe
from services.chassis.log.store import store_compared
from services.chassis.log.writer import CHANNEL
from services.chassis.projection import ProjectionSpec, registry
from services.chassis.projection.live import LiveProjection
from services.chassis.relay import Relay
from services.chassis.settings import Settings
from services.chassis.transport import KafkaTransport

LOGGER = logging.getLogger(__name__)
ROLES = ("serve", "relay", "project")
WRITER_IDLE_MS = 2000


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a service is not as it should be. A ``blocking`` one takes it out of service."""

    code: str
    detail: str
    blocking: bool


class Runtime:
    """The parts of a service process. ``roles`` are what it does: serve requests, relay the log, project topics."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        log: LogSpec | None,
        projections: Sequence[ProjectionSpec],
        roles: Sequence[str] = ROLES,
    ) -> None:
        url = settings.database_url.get_secret_value()
        self.name, self.settings, self.log, self.roles = name, settings, log, frozenset(roles)
        self.database = Database(url, pool_size=settings.pool_size, application=f"{name}")
        self._appending = Database(
            url, pool_size=2, application=f"{name} writer", idle_in_transaction_ms=WRITER_IDLE_MS
        )
        self.signer: SigningKey = (
            load_signing_key(settings.signing_key_file, f"apudiaari/{name}")
            if settings.signing_key_file
            else generate_signing_key(f"apudiaari/{name}")
        )
        self._writer = Writer(self._appending, log, on_commit=self._committed) if log else None
        self.listener = Listener(url, CHANNEL)
        self.relay = Relay(self.database, log.topic, self._transport, self.listener) if log else None
        self.projections = [LiveProjection(settings, self.database, spec) for spec in projections]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def writer(self) -> Writer:
        """The writer of the service's log. Only services that own a log have one."""
        assert self._writer is not None, f"{self.name} keeps no log"
        return self._writer

    async def _transport(self) -> KafkaTransport:
        return await KafkaTransport.open(self.settings)

    def _committed(self, commands: Sequence[Command], results: Sequence[Result], seconds: float) -> None:
        observe(commands, results, seconds)
        self.listener.wake()

    async def start(self) -> None:
        """Start the roles of this process. The broker may be away: what needs it waits in the background."""
        if self._writer and "serve" in self.roles:
            self._run("writer", self._writer.run())
        if self.relay and "relay" in self.roles:
            self._run("relay", self.relay.run())
        if "project" in self.roles and self.projections:
            self._run("project", self._project())

    async def _project(self) -> None:
        sources = {source.topic for live in self.projections for source in live.spec.sources}
        while True:  # Topics exist before anybody subscribes: a consumer that came too early would not see them.
            try:
                await broker.ensure_topics(self.settings, sources)
                break
            except Exception as error:
                LOGGER.warning("the broker is not there yet: %r", error)
                await asyncio.sleep(1.0)
        await asyncio.gather(*(live.run() for live in self.projections))

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report)
        self._tasks.append(task)

    async def stop(self) -> None:
        """Stop everything, the projections first, and close the connections."""
        for task in reversed(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.listener.close()
        await self._appending.close()
        await self.database.close()

    async def reasons(self) -> list[Reason]:
        """Everything that is not as it should be, the blocking first."""
        found = [Reason("stopped", f"the {task.get_name()} ended", True) for task in self._tasks if task.done()]
        try:
            async with asyncio.timeout(3):
                found += await self._stored_reasons()
        except Exception as error:
            found.append(Reason("database_away", type(error).__name__, True))
        if self.relay and "relay" in self.roles:
            found += self._relay_reasons()
        found += [Reason("projection_waits", live.spec.name, False) for live in self.projections if live.error]
        return sorted(found, key=lambda reason: not reason.blocking)

    async def _stored_reasons(self) -> list[Reason]:
        found = []
        async with self.database.reading() as connection:
            await connection.execute(text("SELECT 1"))
            if self.log and not await store_compared(connection):
                found.append(Reason("store_not_compared", "the store was restored; the relay compares it first", True))
            for live in self.projections:
                for version, parked in (await registry.parked_counts(connection, live.spec.name)).items():
                    where = f"{live.spec.name} v{version}"
                    found.append(Reason("projection_parked", f"{where}: {parked} records were put aside", False))
                for version in live.running:
                    for part in await registry.partitions(connection, live.spec.name, version):
                        if part.state != "running":
                            where = f"{live.spec.name} v{version} {part.topic}-{part.partition}"
                            found.append(Reason(f"projection_{part.state}", f"{where}: {part.reason}", False))
        return found

    def _relay_reasons(self) -> list[Reason]:
        assert self.relay is not None
        status = self.relay.status
        if status.contradiction:
            return [Reason("topic_contradicts_store", f"{status.contradiction}; see recover-log", True)]
        if status.leading and not status.compared:
            return [Reason("relay_waits", status.error or "comparing store and topic", False)]
        return []


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        LOGGER.error("the %s ended", task.get_name(), exc_info=task.exception())


def get_runtime(request: Request) -> Runtime:
    """FastAPI dependency: the process's runtime."""
    runtime: Runtime = request.app.state.runtime
    return runtime


Here = Annotated[Runtime, Depends(get_runtime)]
