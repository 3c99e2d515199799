"""One writer per process takes what has queued and appends it as one batch (design.md §4).

Law: callers are answered only after the commit. A batch refused by the database with SQLSTATE 22 or 23 is retried by
halves until the culprit is alone; a lost connection is *outcome unknown* for everybody in the batch.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.chassis import clock as wall
from services.chassis.db import REFUSED, Database, sqlstate
from services.chassis.errors import ApudiaariError, Invalid, Unavailable
from services.chassis.log.append import Result, append_batch
from services.chassis.log.model import Command, LogSpec, Outcome

MAX_BATCH = 256
"""Commands of one append: more would only make who asked first wait longer."""
BULK_BATCH = 1024
"""The same where nobody waits: a tenth less time per event, spent on waiting for the store."""
MAX_QUEUE = 4096
CHANNEL = "log"


@dataclass(slots=True)
class _Waiting:
    command: Command
    answer: asyncio.Future[Outcome]


class Writer:
    """Appends commands to the log of one service. ``on_commit`` hears of each batch after its commit."""

    def __init__(
        self,
        database: Database,
        spec: LogSpec,
        *,
        clock: Callable[[], dt.datetime] = wall.now,
        on_commit: Callable[[Sequence[Command], Sequence[Result], float], None] | None = None,
    ) -> None:
        self._database, self._spec, self._clock, self._on_commit = database, spec, clock, on_commit
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(MAX_QUEUE)
        self._notifying: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """Commands that wait for the next batch."""
        return self._queue.qsize()

    async def submit(self, command: Command) -> Outcome:
        """Queue a command and wait until it is committed, or raise the refusal."""
        waiting = _Waiting(command, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull:
            raise Unavailable("busy", "Too many requests are waiting. Nothing was recorded; try again.") from None
        return await waiting.answer

    async def run(self) -> None:
        """Serve the queue until cancelled; whoever still waits then is told that the outcome is unknown."""
        batch: list[_Waiting] = []
        try:
            while True:
                batch = [await self._queue.get()]
                while len(batch) < MAX_BATCH and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                await self._serve(batch)
        finally:
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(Unavailable("stopping", "The service is stopping. Try again."))

    async def _serve(self, batch: Sequence[_Waiting]) -> None:
        try:
            results: Sequence[Result | Exception] = await self.append([waiting.command for waiting in batch])
        except Exception as error:
            results = [error] * len(batch)
        for waiting, result in zip(batch, results, strict=True):
            if waiting.answer.done():  # The caller went away; the command stands all the same.
                continue
            if isinstance(result, Outcome):
                waiting.answer.set_result(result)
            else:
                waiting.answer.set_exception(result)

    async def append(self, commands: Sequence[Command]) -> list[Result]:
        """Append commands in one transaction; also the way of bulk loads (:data:`BULK_BATCH`). A result for each."""
        started = asyncio.get_running_loop().time()
        try:
            async with self._database.transaction() as connection:
                results = await append_batch(connection, self._spec, commands, self._clock)
        except ApudiaariError:
            self._spec.context.forget()
            raise
        except REFUSED as error:
            self._spec.context.forget()
            if sqlstate(error)[:2] not in {"22", "23"}:
                raise
            return await self._by_halves(commands, error)
        except BaseException:
            self._spec.context.forget()
            raise
        if self._on_commit is not None:
            self._on_commit(commands, results, asyncio.get_running_loop().time() - started)
        self._wake()
        return results

    async def _by_halves(self, commands: Sequence[Command], error: Exception) -> list[Result]:
        """The database refused a value of the batch: find whose, and let the others through."""
        if len(commands) == 1:
            return [Invalid("refused_by_store", f"The store refused a value (SQLSTATE {sqlstate(error)}).")]
        middle = len(commands) // 2
        return await self.append(commands[:middle]) + await self.append(commands[middle:])

    def _wake(self) -> None:
        """Tell the relay; one notification at a time, since each says the same."""
        if self._notifying is None or self._notifying.done():
            self._notifying = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        try:
            await self._database.notify(CHANNEL)
        except Exception:
            return  # The relay polls: a lost wake-up costs a second, not an event.
