"""Append-only is a privilege: what the running service's own login may not do to its log, on the server itself.

The owner's login, which migrations use, is stopped by the trigger; only a superuser who means harm gets past that.
"""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
import pytest

from services.chassis.log.tables import APPEND_ONLY, MOVING
from tests.support.databases import ServiceDatabase

SERVICES = ("diary", "agreements", "billing")
TABLES = tuple(table.name for table in APPEND_ONLY)
REWRITING = ("UPDATE log.{0} SET {1} = {1}", "DELETE FROM log.{0}", "TRUNCATE log.{0}")
TAKING_OVER = (
    "DROP TABLE log.{0}",
    "ALTER TABLE log.{0} DISABLE TRIGGER ALL",
    "ALTER TABLE log.{0} DISABLE TRIGGER append_only",
    "DROP TRIGGER append_only ON log.{0}",
    "ALTER TABLE log.{0} ADD COLUMN more int",
    "CREATE INDEX ON log.{0} ({1})",
    "CREATE TRIGGER mine BEFORE INSERT ON log.{0} FOR EACH ROW EXECUTE FUNCTION log.refuse()",
)
AT_LARGE = (
    "CREATE TABLE log.mine (a int)",
    "CREATE TABLE public.mine (a int)",
    "CREATE SCHEMA mine",
    "DROP SCHEMA log CASCADE",
    "CREATE OR REPLACE FUNCTION log.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION log.refuse() CASCADE",
    "DELETE FROM log.head",
    "TRUNCATE log.head",
    "DELETE FROM log.feed_heads",
    "SET session_replication_role = replica",
    "SET ROLE {service}_owner",
    "SET ROLE postgres",
    "COPY log.events TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
)


@pytest.fixture(scope="module", params=SERVICES)
def store(request: pytest.FixtureRequest, service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    return service_database(str(request.param))


async def _column(connection: asyncpg.Connection, table: str) -> str:
    name = await connection.fetchval(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'log' AND table_name = $1 "
        "AND ordinal_position = 1",
        table,
    )
    return f'"{name}"'


async def _refused(connection: asyncpg.Connection, statement: str) -> bool:
    """Whether the server refuses; whatever it does is taken back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    finally:
        await transaction.rollback()
    return False


async def test_the_running_service_can_neither_rewrite_nor_take_over_its_log(store: ServiceDatabase) -> None:
    connection = await asyncpg.connect(store.app_dsn)
    try:
        statements = [
            each.format(table, await _column(connection, table))
            for table in TABLES
            for each in (*REWRITING, *TAKING_OVER)
        ]
        statements += [each.format(service=store.service) for each in AT_LARGE]
        allowed = [statement for statement in statements if not await _refused(connection, statement)]
    finally:
        await connection.close()
    assert allowed == []


async def test_what_the_running_service_must_do_it_may(store: ServiceDatabase) -> None:
    """Else the test above would pass on a login that may do nothing at all."""
    connection = await asyncpg.connect(store.app_dsn)
    try:
        granted = {
            (row["table_name"], row["privilege_type"])
            for row in await connection.fetch(
                "SELECT table_name, privilege_type FROM information_schema.role_table_grants "
                "WHERE table_schema = 'log' AND grantee = current_user"
            )
        }
        owned = await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole"
            " AND relnamespace::regnamespace::text NOT LIKE 'pg\\_%'"
        )
    finally:
        await connection.close()
    assert {(table, right) for table in TABLES for right in ("INSERT", "SELECT")} <= granted
    assert {name for name, _ in granted} == {*TABLES, *(table.name for table in MOVING)}
    assert not {right for _, right in granted} & {"DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"}
    assert owned == 0


@pytest.mark.parametrize("table", TABLES)
async def test_the_owner_too_is_stopped_by_the_trigger(store: ServiceDatabase, table: str) -> None:
    connection = await asyncpg.connect(store.owner_dsn)
    try:
        column = await _column(connection, table)
        allowed = [each for each in REWRITING if not await _refused(connection, each.format(table, column))]
    finally:
        await connection.close()
    assert allowed == []


async def test_the_check_can_fail(store: ServiceDatabase) -> None:
    """Without the trigger the owner gets through: it is the trigger that stops it."""
    connection = await asyncpg.connect(store.owner_dsn)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("ALTER TABLE log.events DISABLE TRIGGER append_only")
        assert not await _refused(connection, "DELETE FROM log.events")
    finally:
        await transaction.rollback()
        await connection.close()
