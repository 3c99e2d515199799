"""Read tables of the register and the agreements (schema ``read``), and the statements on them.

They are derived: the log is the truth, and :mod:`.projection` writes them in the transaction of the events they show.
Every statement is set-based: rows travel as one JSON array and are typed by the table itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

metadata = sa.MetaData(schema="read")
MOMENT = sa.DateTime(timezone=True)

parties = sa.Table(
    "parties",
    metadata,
    sa.Column("party_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("business_id", sa.Text),
    sa.Column("municipality_code", sa.Text),
    sa.Column("valid_from", sa.Date, nullable=False),
)
party_names = sa.Table(
    "party_names",
    metadata,
    sa.Column("party_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("effective_from", sa.Date, nullable=False),
    sa.Column("names", JSONB, nullable=False),
)
successions = sa.Table(
    "successions",
    metadata,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("party_id", sa.Text, nullable=False),
    sa.Column("successor_id", sa.Text, nullable=False),
    sa.Column("effective_from", sa.Date, nullable=False),
    sa.Column("municipality_codes", ARRAY(sa.Text), comment="null: the whole country"),
    sa.Index("successions_party", "party_id"),
)
points = sa.Table(
    "points",
    metadata,
    sa.Column("service_point_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("effective_from", sa.Date, nullable=False),
    sa.Column("provider_id", sa.Text, nullable=False),
    sa.Column("municipality_code", sa.Text, nullable=False),
    sa.Column("point", JSONB, nullable=False),
)
point_closings = sa.Table(
    "point_closings",
    metadata,
    sa.Column("service_point_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("last_day", sa.Date, nullable=False),
    sa.Column("successor_id", sa.Text),
)
services = sa.Table(
    "services",
    metadata,
    sa.Column("authority_id", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("names", JSONB, nullable=False),
    sa.Column("tasks", ARRAY(sa.Text), nullable=False),
    sa.Column("standard", sa.Boolean, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_until", sa.Date),
)
agreements = sa.Table(
    "agreements",
    metadata,
    sa.Column("agreement_id", sa.Uuid, primary_key=True),
    sa.Column("provider_id", sa.Text, nullable=False),
    sa.Column("commissioner_ids", ARRAY(sa.Text), nullable=False),
    sa.Column("service_point_ids", ARRAY(sa.Text), nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("ends", sa.Date, comment="last covered day by term, notice or succession, as known now"),
    sa.Column("newest_in_force", sa.Integer, comment="null while a draft"),
    sa.Column("open_version", sa.Integer, comment="waits for approvals"),
    sa.Column("waiting_for", ARRAY(sa.Text), nullable=False),
    sa.Index("agreements_points", "service_point_ids", postgresql_using="gin"),
)
agreement_parties = sa.Table(
    "agreement_parties",
    metadata,
    sa.Column("agreement_id", sa.Uuid, primary_key=True),
    sa.Column("party_id", sa.Text, primary_key=True),
    sa.Column("since", sa.Date, nullable=False, comment="of a successor: when the tasks passed to it"),
    sa.Index("agreement_parties_party", "party_id", "agreement_id"),
    comment="who may see the agreement",
)
versions = sa.Table(
    "agreement_versions",
    metadata,
    sa.Column("agreement_id", sa.Uuid, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("effective_from", sa.Date, nullable=False),
    sa.Column("signed_on", sa.Date),
    sa.Column("agreement", JSONB, nullable=False),
    sa.Column("terms", JSONB, nullable=False),
    sa.Column("proposed_position", sa.BigInteger, nullable=False),
    sa.Column("proposed_at", MOMENT, nullable=False),
    sa.Column("known_position", sa.BigInteger, comment="null until every side has approved"),
    sa.Column("known_at", MOMENT),
)
approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("agreement_id", sa.Uuid, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("party_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("recorded_at", MOMENT, nullable=False),
)
terminations = sa.Table(
    "terminations",
    metadata,
    sa.Column("agreement_id", sa.Uuid, primary_key=True),
    sa.Column("last_day", sa.Date, nullable=False),
    sa.Column("notice_by", sa.Text, nullable=False),
    sa.Column("notice_on", sa.Date, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("recorded_at", MOMENT, nullable=False),
)

Row = Mapping[str, Any]


def _typed(table: sa.Table) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    return f"SELECT {columns} FROM jsonb_populate_recordset(NULL::{table.fullname}, CAST(:rows AS jsonb))"


async def insert_new(connection: AsyncConnection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert ``rows``; those that are there already stay as they are, so that a fold may be repeated."""
    if rows:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        statement = f"INSERT INTO {table.fullname} ({columns}) {_typed(table)} ON CONFLICT DO NOTHING"
        await connection.execute(text(statement), {"rows": _json(rows)})


async def put(connection: AsyncConnection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert ``rows``, or bring those that are there to the new values."""
    if rows:
        key = ", ".join(column.name for column in table.primary_key)
        columns = [column.name for column in table.columns]
        values = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key.split(", "))
        statement = (
            f"INSERT INTO {table.fullname} ({', '.join(columns)}) {_typed(table)} "
            f"ON CONFLICT ({key}) DO UPDATE SET {values}"
        )
        await connection.execute(text(statement), {"rows": _json(rows)})


async def replace_parties(connection: AsyncConnection, agreement_ids: Iterable[object], rows: Sequence[Row]) -> None:
    """The parties of the agreements are ``rows`` and nobody else: a new draft may have fewer."""
    ids = [str(each) for each in agreement_ids]
    if ids:
        await connection.execute(_FORGET_PARTIES, {"ids": ids})
        await insert_new(connection, agreement_parties, rows)


async def make_known(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Versions came into force: (agreement_id, version, known_position, known_at)."""
    if rows:
        await connection.execute(_KNOWN, {"rows": _json(rows)})


def _json(rows: Sequence[Row]) -> str:
    return orjson.dumps(list(rows), default=str).decode()


_FORGET_PARTIES = text("DELETE FROM read.agreement_parties WHERE agreement_id = ANY(CAST(:ids AS uuid[]))")
_KNOWN = text(
    "UPDATE read.agreement_versions AS v SET known_position = n.known_position, known_at = n.known_at "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) "
    "AS n(agreement_id uuid, version int, known_position bigint, known_at timestamptz) "
    "WHERE v.agreement_id = n.agreement_id AND v.version = n.version"
)
