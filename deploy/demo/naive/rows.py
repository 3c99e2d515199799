"""Two versions of billing's tables side by side, row by row, and against the diary's log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import asyncpg

from deploy.demo.naive.evidence import demand
from deploy.demo.naive.visits import signed_acts

_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = $1"
_ACTS = (
    "SELECT position, sign, act_no, day::text, point, authority, service, task, channel, quantity, minutes FROM {}.acts"
)


async def both(dsn: str, left: str, right: str) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """All rows of every table of two schemas, each row as one text, read in one snapshot."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            names = {schema: {row[0] for row in await connection.fetch(_TABLES, schema)} for schema in (left, right)}
            demand(bool(names[left]) and names[left] == names[right], "the versions have different tables")
            return {
                name: (await _rows(connection, left, name), await _rows(connection, right, name))
                for name in sorted(names[left])
            }
    finally:
        await connection.close()


async def _rows(connection: asyncpg.Connection, schema: str, table: str) -> Counter[str]:
    return Counter(row[0] for row in await connection.fetch(f"SELECT t::text FROM {schema}.{table} t"))


def check_equal(table: str, left: Counter[str], right: Counter[str]) -> None:
    """The same rows as often. Raises Refused with one that differs."""
    differing = (left - right) + (right - left)
    demand(not differing, f"{table}: {differing.total()} rows differ, such as {next(iter(differing), '')}")


async def acts(dsn: str, schema: str) -> Counter[tuple[Any, ...]]:
    """The acts that a version keeps."""
    connection = await asyncpg.connect(dsn)
    try:
        return Counter(tuple(row) for row in await connection.fetch(_ACTS.format(schema)))
    finally:
        await connection.close()


def check_acts(kept: Counter[tuple[Any, ...]], events: Iterable[dict[str, Any]]) -> None:
    """The acts kept are exactly those that the log adds and takes back. Raises Refused."""
    wanted = signed_acts(events)
    differing = (kept - wanted) + (wanted - kept)
    demand(not differing, f"{differing.total()} acts differ from the log, such as {next(iter(differing), '')}")
