"""Migrations: run as the owner of the database, never by the running service.

A service's ``migrations/env.py`` is two lines that call :func:`run_env`; its first revision calls
:func:`create_chassis`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.chassis.log.tables import create_log
from services.chassis.projection import registry
from services.chassis.projection.model import ProjectionSpec
from services.chassis.projection.tables import create_registry
from services.chassis.web.sessions import create_session_table

LOCK_TIMEOUT = "5s"
SERVICES = Path(__file__).parent.parent


def create_chassis(op: Any, *, service: str, partitions: int = 1, log: bool = True) -> None:
    """What every service has: its log (if it keeps one), the registry of projections, the sessions."""
    if log:
        create_log(op, app_role=f"{service}_app", partitions=partitions)
    create_registry(op, app_role=f"{service}_app")
    create_session_table(op, f"{service}_app")


def grant(op: Any, service: str, schema: str, privileges: str) -> None:
    """Let the running role use all tables of ``schema`` with ``privileges``."""
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {service}_app")
    op.execute(f"GRANT {privileges} ON ALL TABLES IN SCHEMA {schema} TO {service}_app")


def upgrade(service: str, owner_url: str, projections: tuple[ProjectionSpec, ...] = ()) -> None:
    """Bring the database to the newest revision and give each projection its first version."""
    config = Config()
    config.set_main_option("script_location", str(SERVICES / service / "migrations"))
    config.attributes["owner_url"] = owner_url
    command.upgrade(config, "head")
    asyncio.run(_first_versions(service, owner_url, projections))


async def _first_versions(service: str, owner_url: str, projections: tuple[ProjectionSpec, ...]) -> None:
    engine = create_async_engine(_async_url(owner_url), poolclass=NullPool)
    async with engine.begin() as connection:
        for spec in projections:
            await registry.ensure_first_version(connection, spec, app_role=f"{service}_app")
    await engine.dispose()


def run_env() -> None:
    """The body of every ``migrations/env.py``."""
    asyncio.run(_run_async(context.config.attributes["owner_url"]))


async def _run_async(owner_url: str) -> None:
    engine = create_async_engine(_async_url(owner_url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


def _run(connection: Connection) -> None:
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def _async_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)
