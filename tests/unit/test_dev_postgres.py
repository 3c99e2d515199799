"""The database that development and tests stand on: rights, crashes, copies, and clear refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import asyncpg
import pytest

from deploy.dev.postgres import Postgres
from deploy.dev.process import PartDied, PartError, PortTaken, free_port
from tests.support.databases import Databases, ServiceDatabase


async def run(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def diary(databases: Databases) -> ServiceDatabase:
    return databases.empty("diary")


@pytest.fixture(scope="module")
def billing(databases: Databases) -> ServiceDatabase:
    return databases.empty("billing")


async def test_it_is_postgresql_18_with_durable_commits(diary: ServiceDatabase) -> None:
    assert str(await run(diary.app_dsn, "SHOW server_version")).startswith("18.")
    assert await run(diary.app_dsn, "SHOW fsync") == "on"
    assert await run(diary.app_dsn, "SHOW synchronous_commit") == "on"
    assert await run(diary.app_dsn, "SELECT upper('åäö')") == "ÅÄÖ"


async def test_the_owner_may_create_and_the_running_service_may_not(diary: ServiceDatabase) -> None:
    await run(diary.owner_dsn, "CREATE SCHEMA owned")
    for statement in ("CREATE SCHEMA mine", "CREATE TABLE public.mine (a int)", "DROP SCHEMA owned"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(diary.app_dsn, statement)


async def test_a_service_cannot_enter_the_database_of_another(diary: ServiceDatabase, billing: ServiceDatabase) -> None:
    for dsn in (diary.app_dsn, diary.owner_dsn):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await run(dsn.replace(diary.name, billing.name), "SELECT 1")


async def test_a_wrong_password_is_refused(diary: ServiceDatabase) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await run(diary.app_dsn.replace("@", "x@"), "SELECT 1")


async def test_a_copy_has_the_rows_and_the_same_walls(databases: Databases, billing: ServiceDatabase) -> None:
    original = databases.empty("diary")
    await run(original.owner_dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    copy = databases.copy(original)
    assert await run(copy.owner_dsn, "SELECT answer FROM kept") == 42
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(copy.app_dsn, "SELECT answer FROM public.kept")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await run(billing.app_dsn.replace(billing.name, copy.name), "SELECT 1")


async def test_what_was_committed_survives_kill_9(run_folder: Path) -> None:
    server = Postgres(run_folder / "crashing", port=free_port())
    try:
        server.start()
        await run(server.admin_dsn, "CREATE TABLE kept AS SELECT 1 AS one")
        for _ in range(3):
            server.kill9()
            server.start()
            assert await run(server.admin_dsn, "SELECT one FROM kept") == 1
    finally:
        server.remove()


def test_passwords_are_readable_by_us_alone(postgres: Postgres) -> None:
    file = postgres.home / "passwords.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_uid == os.geteuid()
    assert len(json.loads(file.read_text())["postgres"]) >= 32


def test_a_taken_port_is_named_and_the_first_server_is_unharmed(run_folder: Path, postgres: Postgres) -> None:
    second = Postgres(run_folder / "second", port=postgres.port)
    with pytest.raises(PortTaken, match=rf"port {postgres.port} .* PostgreSQL needs, is taken"):
        second.start()
    assert postgres.ready()


def test_a_port_that_cannot_be_is_named(run_folder: Path) -> None:
    with pytest.raises(PartError, match="port 99999 for PostgreSQL is not between 1024 and 32767"):
        Postgres(run_folder / "wrong", port=99_999).start()


def test_a_server_that_will_not_start_is_explained_in_its_own_words(run_folder: Path) -> None:
    server = Postgres(run_folder / "wrong", port=free_port(), settings={"shared_buffers": "plenty"})
    with pytest.raises(PartDied, match='invalid value for parameter "shared_buffers"'):
        server.start()


def test_a_failing_statement_says_why(postgres: Postgres) -> None:
    with pytest.raises(PartError, match='relation "nowhere" does not exist'):
        postgres.sql("SELECT * FROM nowhere;")
