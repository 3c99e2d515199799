"""A refusal and a lost connection are told apart, through SQLAlchemy and from the driver itself (COPY)."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from services.chassis.db import REFUSED, is_lost, sqlstate

LOST = [
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.IdleInTransactionSessionTimeoutError("terminating connection due to idle-in-transaction timeout"),
    asyncpg.InterfaceError("connection is closed"),
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
