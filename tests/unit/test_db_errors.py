"""A refusal and a lost connection are told apart, through SQLAlchemy and from the driver itself (COPY)."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from services.chassis.db import REFUSED, Database, OutcomeUnknown, is_lost, sqlstate
from tests.support.databases import ServiceDatabase

LOST = [
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.IdleInTransactionSessionTimeoutError("terminating connection due to idle-in-transaction timeout"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 21; another operation (2) is in progress"),
    ConnectionResetError("reset by peer"),
]
REFUSALS = [
    (asyncpg.UniqueViolationError("duplicate key"), "23505"),
    (asyncpg.CharacterNotInRepertoireError("invalid byte sequence"), "22021"),
]


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_a_lost_connection_is_an_unknown_outcome(error: Exception) -> None:
    assert is_lost(error)


@pytest.mark.parametrize(("error", "state"), REFUSALS, ids=["unique", "text"])
def test_a_refusal_of_copy_is_retried_by_halves(error: Exception, state: str) -> None:
    for raised in (error, DBAPIError("COPY", None, error)):
        assert isinstance(raised, REFUSED)
        assert not is_lost(raised)
        assert sqlstate(raised) == state


def test_a_wrong_use_of_the_driver_is_not_a_lost_connection() -> None:
    assert not is_lost(asyncpg.InterfaceError("cannot use Connection.copy_records_to_table in a cursor"))


async def test_whatever_is_raised_on_a_connection_that_has_ended_is_an_unknown_outcome(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    """As the loop does it: a write on a closed transport is a RuntimeError."""
    database = Database(service_database("diary").app_dsn, pool_size=2)
    try:
        with pytest.raises(OutcomeUnknown):
            async with database.transaction() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                driver.terminate()
                raise RuntimeError("unable to perform operation on a closed handler")
        with pytest.raises(RuntimeError, match="a mistake"):
            async with database.transaction():
                raise RuntimeError("a mistake of ours")
    finally:
        await database.close()
