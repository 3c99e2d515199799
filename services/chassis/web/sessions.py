"""Signed-in sessions, kept on the server: the cookie is a random token, the table holds only its SHA-256.

The table lives in the service's own database, schema ``web``. A service's migration calls
``create_session_table(op)``; the running service's role may read, insert, update and delete here, since sessions are
state and not history.

Limits: 30 minutes idle, 10 hours in all (a working day). ``last_seen`` is written at most once a minute, so that
reading pages does not write rows.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from services.chassis.access import Principal, Role
from services.chassis.db import Database

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=10)
TOUCH = timedelta(minutes=1)
SCHEMA = "web"

metadata = sa.MetaData(schema=SCHEMA)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_sha256", BYTEA, primary_key=True),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("sid", sa.Text),
    sa.Column("principal", JSONB, nullable=False),
    sa.Column("created", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("last_seen", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("expires", sa.TIMESTAMP(timezone=True), nullable=False),
    sa.Index("sessions_subject", "issuer", "subject"),
    sa.Index("sessions_expires", "expires"),
)


def create_session_table(op: Operations, app_role: str) -> None:
    """The DDL, for a service's migration; grants the running service's role what it needs and no more."""
    op.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    metadata.create_all(op.get_bind(), checkfirst=True)
    op.execute(f'GRANT USAGE ON SCHEMA {SCHEMA} TO "{app_role}"')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON {SCHEMA}.sessions TO "{app_role}"')


def now() -> datetime:
    """The moment sessions are judged by."""
    return datetime.now(UTC)


class SessionStore:
    """Sessions in the service's own database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, principal: Principal, sid: str | None, at: datetime) -> str:
        """Start a session and answer its token, which exists nowhere else. Sweeps what has expired."""
        token = secrets.token_urlsafe(32)
        async with self._database.transaction() as connection:
            await connection.execute(sessions.delete().where(_dead(at)))
            await connection.execute(
                sessions.insert().values(
                    token_sha256=_digest(token),
                    issuer=principal.issuer,
                    subject=principal.subject,
                    sid=sid,
                    principal=to_json(principal),
                    created=at,
                    last_seen=at,
                    expires=at + ABSOLUTE,
                )
            )
        return token

    async def find(self, token: str, at: datetime) -> Principal | None:
        """Who the token belongs to, or None when the session has ended, idled out or expired."""
        mine = sessions.c.token_sha256 == _digest(token)
        statement = sa.select(sessions.c.principal, sessions.c.last_seen).where(mine, ~_dead(at))
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            return None
        if at - row.last_seen > TOUCH:
            async with self._database.transaction() as connection:
                await connection.execute(sessions.update().where(mine).values(last_seen=at))
        return from_json(row.principal)

    async def end(self, token: str) -> None:
        """Sign out: the token is worthless from now on."""
        async with self._database.transaction() as connection:
            await connection.execute(sessions.delete().where(sessions.c.token_sha256 == _digest(token)))

    async def end_of(self, issuer: str, subject: str | None, sid: str | None) -> int:
        """Back-channel logout (OpenID Connect Back-Channel Logout 1.0): end a subject's or one sid's sessions."""
        assert subject or sid, "a logout token names a subject or a session"
        condition = sessions.c.issuer == issuer
        if subject:
            condition &= sessions.c.subject == subject
        if sid:
            condition &= sessions.c.sid == sid
        async with self._database.transaction() as connection:
            return (await connection.execute(sessions.delete().where(condition))).rowcount


def _dead(at: datetime) -> sa.ColumnElement[bool]:
    return (sessions.c.expires <= at) | (sessions.c.last_seen <= at - IDLE)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def to_json(principal: Principal) -> dict[str, Any]:
    """The principal as stored."""
    return {
        "subject": principal.subject,
        "issuer": principal.issuer,
        "roles": sorted(principal.roles),
        "party_id": principal.party_id,
        "points": sorted(principal.points),
        "name": principal.name,
    }


def from_json(stored: dict[str, Any]) -> Principal:
    """The principal as it was stored."""
    return Principal(
        subject=stored["subject"],
        issuer=stored["issuer"],
        roles=frozenset(map(Role, stored["roles"])),
        party_id=stored["party_id"],
        points=frozenset(stored["points"]),
        name=stored["name"],
    )
