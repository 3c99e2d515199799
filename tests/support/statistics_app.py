"""The statistics service in this process, on a real database, fed straight through its projector."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from services.chassis.db import Database
from services.chassis.projection.projector import Projector
from services.chassis.service import create_app
from services.chassis.settings import Issuer, Settings
from services.statistics.app import SERVICE
from services.statistics.projection import SPEC
from tests.support.databases import ServiceDatabase
from tests.support.statistics_events import Log
from tests.support.tokens import TokenIssuer

BATCH = 500


@dataclass(frozen=True)
class Statistics:
    """The app, a client to it, and its database."""

    app: FastAPI
    http: httpx.AsyncClient
    database: Database

    async def take(self, *logs: Log) -> None:
        """Fold everything of the logs that has not been folded."""
        await fold(self.database, logs)


async def fold(database: Database, logs: Iterable[Log], version: int = 1) -> None:
    """Offer every record of the logs to a version, in batches, as a consumer would."""
    projector = Projector(database, SPEC, version)
    await projector.load()
    for log in logs:
        for partition, records in log.records.items():
            for start in range(0, len(records), BATCH):
                batch = {partition: records[start : start + BATCH]}
                await projector.write(await projector.prepare(log.topic.name, batch))


@asynccontextmanager
async def running(database: ServiceDatabase, issuer: TokenIssuer, port: int = 8104) -> AsyncIterator[Statistics]:
    """The service's app without its projector; nothing of it is replaced."""
    settings = Settings(
        database_url=SecretStr(database.app_dsn),
        owner_database_url=SecretStr(database.owner_dsn),
        issuers=(Issuer(issuer=issuer.url, jwks_url=f"{issuer.url}/jwks.json"),),
        port=port,
        base_urls={"statistics": f"http://127.0.0.1:{port}"},
        synthetic=True,
    )
    app = create_app(SERVICE, settings, roles=("serve",))
    own = Database(database.app_dsn, pool_size=2, application="test")
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{port}") as http,
    ):
        try:
            yield Statistics(app, http, own)
        finally:
            await own.close()
