"""Set-based writing of deltas into the tables of one projection version."""

from __future__ import annotations

import io
from collections.abc import Sequence

import polars as pl
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.db import copy_csv


async def copy_frame(connection: AsyncConnection, schema: str, table: str, frame: pl.DataFrame) -> None:
    """COPY a frame into ``schema.table``, columns by name. An empty string would become null: fold none."""
    if frame.is_empty():
        return
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False, null_value="", datetime_format="%Y-%m-%dT%H:%M:%S%.6f%z")
    buffer.seek(0)
    await copy_csv(connection, schema, table, frame.columns, buffer)


async def add_frame(
    connection: AsyncConnection, schema: str, table: str, frame: pl.DataFrame, *, key: Sequence[str]
) -> None:
    """Add counts: rows meet by ``key``, every other column is summed. Order and grouping of calls do not matter."""
    values = [name for name in frame.columns if name not in key]
    sums = ", ".join(f"{name} = stored.{name} + excluded.{name}" for name in values)
    await _merge(connection, schema, table, frame, key, f"DO UPDATE SET {sums}", target="AS stored ")


async def replace_frame(
    connection: AsyncConnection, schema: str, table: str, frame: pl.DataFrame, *, key: Sequence[str], newest_by: str
) -> None:
    """Keep the row with the largest ``newest_by`` of each key, whichever comes first."""
    frame = frame.sort(newest_by).unique(subset=list(key), keep="last", maintain_order=True)
    values = [name for name in frame.columns if name not in key]
    sets = ", ".join(f"{name} = excluded.{name}" for name in values)
    condition = f"WHERE stored.{newest_by} < excluded.{newest_by}"
    await _merge(connection, schema, table, frame, key, f"DO UPDATE SET {sets} {condition}", target="AS stored ")


async def insert_frame(
    connection: AsyncConnection, schema: str, table: str, frame: pl.DataFrame, *, key: Sequence[str]
) -> None:
    """Insert rows that are not there yet."""
    await _merge(connection, schema, table, frame, key, "DO NOTHING")


async def _merge(
    connection: AsyncConnection,
    schema: str,
    table: str,
    frame: pl.DataFrame,
    key: Sequence[str],
    action: str,
    *,
    target: str = "",
) -> None:
    """COPY into a temporary table, then one INSERT … ON CONFLICT."""
    if frame.is_empty():
        return
    columns = ", ".join(frame.columns)
    staged = f"staged_{schema}_{table}"
    await connection.execute(
        text(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {staged} (LIKE {schema}.{table} INCLUDING DEFAULTS) "
            "ON COMMIT DELETE ROWS"
        )
    )
    await copy_frame(connection, "pg_temp", staged, frame)
    await connection.execute(
        text(
            f"INSERT INTO {schema}.{table} {target}({columns}) SELECT {columns} FROM {staged} "
            f"ORDER BY {', '.join(key)} ON CONFLICT ({', '.join(key)}) {action}"
        )
    )
    await connection.execute(text(f"TRUNCATE {staged}"))
