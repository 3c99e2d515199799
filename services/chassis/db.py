"""The database. Commits happen in this module and nowhere else.

Law: a transaction either commits as a whole or leaves nothing; a connection lost while committing is *outcome unknown*
(:class:`OutcomeUnknown`), never success and never failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.chassis.errors import Unavailable

REFUSED = (DBAPIError, asyncpg.PostgresError)
"""What the database says no with: through SQLAlchemy, or where the driver itself is spoken to (COPY, `fetch`)."""
LOST = (
    OperationalError,
    InterfaceError,
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # COPY on a connection that ended underneath it.
)

Row = Any
"""A row as the driver gives it (asyncpg.Record): by name, by number, or unpacked."""


class OutcomeUnknown(Unavailable):
    """The connection was lost while the change was being made: ask again with the same id."""

    def __init__(self) -> None:
        super().__init__("outcome_unknown", "The connection to the store was lost. Send the same request again.")


def sqlstate(error: BaseException) -> str:
    """SQLSTATE of a database error, or an empty string."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")


def is_lost(error: BaseException) -> bool:
    """Whether the error means that the connection is gone (class 08, 57P0x, or closed underneath us)."""
    if sqlstate(error)[:2] in {"08", "57"} or sqlstate(error) == "25P03":
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if isinstance(
        error, asyncpg.InterfaceError
    ):  # COPY speaks to the driver itself; this is how it finds nobody there.
        return "closed" in str(error)
    return isinstance(error, LOST)


class Database:
    """A pool of connections to the service's own database."""

    def __init__(
        self, url: str, *, pool_size: int = 12, application: str = "apudiaari", idle_in_transaction_ms: int = 30_000
    ) -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=pool_size,
            max_overflow=4,
            pool_timeout=10,
            pool_pre_ping=False,
            connect_args={
                "server_settings": {
                    "application_name": application,
                    "idle_in_transaction_session_timeout": str(idle_in_transaction_ms),
                    "tcp_keepalives_idle": "5",
                    "tcp_keepalives_interval": "2",
                    "tcp_keepalives_count": "3",
                },
                "timeout": 5,
            },
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A READ COMMITTED transaction that commits at the end of the block."""
        driver: Any = None
        try:
            async with self.engine.connect() as connection:
                driver = await _driver_of(connection)
                transaction = await connection.begin()
                try:
                    yield connection
                except BaseException:
                    with suppress(Exception):
                        await transaction.rollback()
                    if driver.is_closed():
                        await connection.invalidate()  # The pool would not see it, and give it to the next.
                    raise
                await transaction.commit()
        except Exception as error:
            if is_lost(error) or (driver is not None and driver.is_closed()):
                raise OutcomeUnknown from error
            raise

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A REPEATABLE READ, READ ONLY transaction: everything read is of one moment."""
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads; nothing it does is kept."""
        async with self.engine.connect() as connection:
            yield connection

    async def notify(self, channel: str, payload: str = "") -> None:
        """Wake listeners. Does not wait for the disk: a wake-up may be lost, polls make up for it."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SET LOCAL synchronous_commit = off"))
            await connection.execute(
                text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload}
            )
            await connection.commit()

    async def close(self) -> None:
        await self.engine.dispose()


class Listener:
    """LISTEN on a connection of its own; :meth:`wait` returns at a wake-up or after a poll interval."""

    def __init__(self, url: str, channel: str, *, poll_seconds: float = 1.0) -> None:
        self._url, self._channel, self._poll = url, channel, poll_seconds
        self._woken = asyncio.Event()
        self._connection: asyncpg.Connection | None = None

    async def wait(self) -> None:
        """Until something was notified, or the poll interval has passed."""
        if self._connection is None or self._connection.is_closed():
            with suppress(OSError, asyncpg.PostgresError, asyncio.TimeoutError):
                self._connection = await asyncpg.connect(self._url, timeout=5)
                await self._connection.add_listener(self._channel, self._wake)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll):  # Not `wait_for`, which may swallow a cancellation.
                await self._woken.wait()
        self._woken.clear()

    def _wake(self, *_: object) -> None:
        self._woken.set()

    def wake(self) -> None:
        """Wake from inside the process."""
        self._woken.set()

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                await self._connection.close(timeout=2)


async def _driver_of(connection: AsyncConnection) -> Any:
    """The driver's own connection beneath SQLAlchemy's."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    return driver


async def fetch(connection: AsyncConnection, statement: str, *values: Any) -> Sequence[Row]:
    """Many rows by the driver's own protocol (``$1`` …), which costs a third of what rows of SQLAlchemy do."""
    driver = await _driver_of(connection)
    rows: Sequence[Row] = await driver.fetch(statement, *values)
    return rows


async def copy_rows(
    connection: AsyncConnection, schema: str, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """COPY rows (binary protocol) into a table inside the current transaction."""
    driver = await _driver_of(connection)
    await driver.copy_records_to_table(table, schema_name=schema, columns=list(columns), records=rows)


async def copy_csv(connection: AsyncConnection, schema: str, table: str, columns: Sequence[str], source: Any) -> None:
    """COPY a CSV byte stream (a binary file object) into a table inside the current transaction."""
    driver = await _driver_of(connection)
    await driver.copy_to_table(
        table, schema_name=schema, columns=list(columns), source=source, format="csv", null="", header=False
    )
