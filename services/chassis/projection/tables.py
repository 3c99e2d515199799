"""The registry of projections in each service's database: versions, positions, holds, parked records."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(schema="projection")

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False, comment="building, ready, active, standby"),
    sa.Column("created", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("switched", sa.DateTime(timezone=True)),
    sa.CheckConstraint("state IN ('building', 'ready', 'active', 'standby')", name="known_state"),
)
positions = sa.Table(
    "positions",
    metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("leaf", sa.LargeBinary, nullable=False, server_default=sa.text("''::bytea")),
    sa.Column("offset", sa.BigInteger, nullable=False, server_default="0", comment="next offset to read: a hint"),
    sa.Column("sealed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("held", sa.BigInteger, nullable=False, server_default="0", comment="hold it is known to stand at"),
    sa.Column("state", sa.Text, nullable=False, server_default="running", comment="running, ahead, halted, forked"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("recorded", sa.DateTime(timezone=True), comment="recordedtime of the last event taken in"),
    sa.Column("updated", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
holds = sa.Table(
    "holds",
    metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False, comment="nothing beyond it is folded while the row stands"),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
parked = sa.Table(
    "parked",
    metadata,
    sa.Column("projection", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("parked", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("applied", sa.DateTime(timezone=True)),
)


def create_registry(op: Any, *, app_role: str) -> None:
    """Create the registry and let the running role keep it."""
    op.execute("CREATE SCHEMA projection")
    metadata.create_all(op.get_bind())
    op.execute(f"GRANT USAGE ON SCHEMA projection TO {app_role}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA projection TO {app_role}")
