"""Billing on real PostgreSQL with tokens of a real issuer; its rows come through the real decoder and fold.

Only the broker is left out: the tests with a broker run the whole road.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from pydantic import SecretStr
from sqlalchemy import text

from schemas import topics
from services.billing import projection
from services.billing.app import SERVICE
from services.chassis.db import Database
from services.chassis.projection import active_schema
from services.chassis.projection.decode import Raw, decode_records
from services.chassis.service import create_app
from services.chassis.settings import Issuer, Settings
from tests.support.billing_world import PROVIDER, SECRET, History
from tests.support.databases import ServiceDatabase
from tests.support.tokens import TokenIssuer


@dataclass
class Stage:
    """A history, the service that heard of it, and who asks."""

    http: httpx.AsyncClient
    database: Database
    issuer: TokenIssuer
    history: History = field(default_factory=History)
    heard: dict[str, int] = field(default_factory=lambda: {"diary": 0, "agreements": 0})

    async def hear(self, *, seal: bool = True) -> None:
        """Fold what is new of both logs, and honour a seal over it."""
        logs = {projection.DIARY: self.history.diary, projection.AGREEMENTS: self.history.agreements}
        async with self.database.transaction() as connection:
            schema = await active_schema(connection, projection.NAME)
            for source, log in logs.items():
                await self._fold(connection, schema, source, log)
                await self._move(connection, source.topic, len(log), seal=seal)

    async def _fold(self, connection: Any, schema: str, source: Any, log: list[bytes]) -> None:
        seen = self.heard[source.topic.owner]
        records = [Raw(number, 0, raw) for number, raw in enumerate(log[seen:], start=seen + 1)]
        self.heard[source.topic.owner] = len(log)
        decoded = decode_records(source, records)
        assert not decoded.poison
        if decoded.frame.height:
            deltas = projection.fold(source.topic.name, decoded.frame.drop("row"))
            await projection.write(connection, schema, deltas)

    async def _move(self, connection: Any, topic: topics.Topic, position: int, *, seal: bool) -> None:
        sealed = ", sealed = :position" if seal else ""
        await connection.execute(
            text(f"UPDATE projection.positions SET position = :position{sealed} WHERE topic = :topic"),
            {"position": position, "topic": topic.name},
        )

    async def ask(self, method: str, path: str, role: str, party: str | None, body: Any = None, **query: Any) -> Any:
        headers = self.issuer.headers(role, party)
        return await self.http.request(method, path, json=body, params=query, headers=headers)

    async def run(self, period: str = "2026-10", provider: str = PROVIDER, **given: Any) -> Any:
        """POST a run as the provider; given fields replace the usual ones."""
        body = {"id": str(uuid4()), "provider_id": provider, "period": period, **given}
        return await self.ask("POST", "/api/runs", "provider", provider, body)

    async def issued(self, period: str = "2026-10", provider: str = PROVIDER) -> list[dict[str, Any]]:
        """Hear, run, and the documents of the run."""
        await self.hear()
        answer = await self.run(period, provider)
        assert answer.status_code == 201, answer.text
        return list(answer.json()["invoices"])

    async def document(self, invoice_id: str, role: str = "provider", party: str = PROVIDER) -> dict[str, Any]:
        answer = await self.ask("GET", f"/api/invoices/{invoice_id}", role, party)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def settings_for(database: ServiceDatabase, issuer: TokenIssuer) -> Settings:
    return Settings(
        database_url=SecretStr(database.app_dsn),
        owner_database_url=SecretStr(database.owner_dsn),
        feed_secret=SecretStr(SECRET.hex()),
        issuers=(Issuer(issuer=issuer.url, jwks_url=f"{issuer.url}/jwks.json"),),
        port=8103,
        synthetic=True,
    )


@asynccontextmanager
async def staged(database: ServiceDatabase, issuer: TokenIssuer) -> AsyncIterator[Stage]:
    """The service without a broker, in this process."""
    app = create_app(SERVICE, settings_for(database, issuer), roles=("serve",))
    direct = Database(database.app_dsn, pool_size=3)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8103") as http,
    ):
        yield Stage(http, direct, issuer)
    await direct.close()
