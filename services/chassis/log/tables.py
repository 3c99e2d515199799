"""Tables of the log, their append-only guard and their grants. Used by each service's first migration."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = sa.MetaData(schema="log")

head = sa.Table(
    "head",
    metadata,
    sa.Column("only", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("recorded", sa.DateTime(timezone=True), nullable=False),
    sa.Column("frontier", sa.LargeBinary, nullable=False, comment="compact range of the RFC 9162 tree"),
    sa.Column("tail_positions", ARRAY(sa.BigInteger), nullable=False, comment="last position of each partition"),
    sa.Column("tail_leaves", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column(
        "store_identity", sa.Text, nullable=False, server_default="", comment="store last compared with the topic"
    ),
    sa.CheckConstraint('"only"', name="head_is_one_row"),
)
events = sa.Table(
    "events",
    metadata,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.Uuid, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("stream_version", sa.Integer, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("partition", sa.SmallInteger, nullable=False),
    sa.Column("previous_position", sa.BigInteger, nullable=False, comment="of the record before it in its partition"),
    sa.Column("previous_leaf", sa.LargeBinary, nullable=False),
    sa.Column("recorded", sa.DateTime(timezone=True), nullable=False),
    sa.Column("command_id", sa.Uuid, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("trace", sa.Text, nullable=False, server_default="", comment="W3C traceparent of the request"),
    sa.UniqueConstraint("stream", "stream_version", name="events_stream_version"),
)
commands = sa.Table(
    "commands",
    metadata,
    sa.Column("command_id", sa.Uuid, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False, comment="of its last event"),
    sa.Column("answer", JSONB, nullable=False),
)
feed_heads = sa.Table(
    "feed_heads",
    metadata,
    sa.Column("feed", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
)
feed_entries = sa.Table(
    "feed_entries",
    metadata,
    sa.Column("feed", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("recorded", sa.DateTime(timezone=True), nullable=False),
    sa.Column("day", sa.Date, nullable=False, comment="Helsinki day of recordedtime"),
    sa.Column("renderer", sa.SmallInteger, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("previous_leaf", sa.LargeBinary, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("feed_entries_day", "feed", "day", "sequence"),
)
nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("tree", sa.Text, primary_key=True, comment="'' for the log, else the feed"),
    sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)
checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("signed", sa.DateTime(timezone=True), nullable=False),
)
manifests = sa.Table(
    "manifests",
    metadata,
    sa.Column("feed", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
relayed = sa.Table(
    "relayed",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("cluster_id", sa.Text, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    comment="where the relay last read its own records back: a hint, never the truth",
)

APPEND_ONLY = (events, commands, feed_entries, nodes, checkpoints, manifests)
MOVING = (head, feed_heads, relayed)
"""The rows that move with the log: where it ends, and where the relay looked last. Everything else only grows."""

_GUARD = """
CREATE FUNCTION log.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'log.% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""


def create_log(op: Any, *, app_role: str, partitions: int) -> None:
    """Create the log of a service with its guard and grants. ``op`` is Alembic's operations object."""
    op.execute("CREATE SCHEMA log")
    metadata.create_all(op.get_bind())
    op.execute(_GUARD)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.{table.name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION log.refuse()"
        )
    op.execute(
        sa.text(
            "INSERT INTO log.head (position, recorded, frontier, tail_positions, tail_leaves) "
            "VALUES (0, 'epoch', :frontier, array_fill(0::bigint, ARRAY[:partitions]), "
            "array_fill(''::bytea, ARRAY[:partitions]))"
        ).bindparams(frontier=(0).to_bytes(8, "big"), partitions=partitions)
    )
    op.execute(f"GRANT USAGE ON SCHEMA log TO {app_role}")
    for table in APPEND_ONLY:
        op.execute(f"GRANT INSERT, SELECT ON log.{table.name} TO {app_role}")
    op.execute(f"GRANT SELECT, UPDATE ON log.head TO {app_role}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON log.feed_heads, log.relayed TO {app_role}")
