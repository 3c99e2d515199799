"""The diary in the test's own process, on a real database, with tokens of a real issuer: a plugin of fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from services.chassis.db import Database
from services.chassis.service import create_app
from services.chassis.settings import Issuer, Settings
from services.diary.app import SERVICE
from tests.support import diary
from tests.support.databases import ServiceDatabase
from tests.support.diary_app import FEED_SECRET, Client
from tests.support.tokens import TokenIssuer


@pytest.fixture(scope="module")
def issuer(run_folder: Path) -> Iterator[TokenIssuer]:
    found = TokenIssuer(run_folder / "diary-issuer")
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    return service_database("diary")


@pytest.fixture(scope="module")
def settings(database: ServiceDatabase, issuer: TokenIssuer) -> Settings:
    return Settings(
        database_url=SecretStr(database.app_dsn),
        feed_secret=SecretStr(FEED_SECRET),
        issuers=(Issuer(issuer=issuer.url, jwks_url=f"{issuer.url}/jwks.json"),),
        synthetic=True,
    )


@pytest.fixture(scope="module")
async def http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(SERVICE, settings, roles=("serve",))
    async with app.router.lifespan_context(app):
        await diary.know(app.state.runtime.database, diary.small_register())
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://diary.test") as client:
            client.app = app  # type: ignore[attr-defined]
            yield client


@pytest.fixture(scope="module")
def store(http: httpx.AsyncClient) -> Database:
    found: Database = http.app.state.runtime.database  # type: ignore[attr-defined]
    return found


@pytest.fixture(scope="module")
def adviser(http: httpx.AsyncClient, issuer: TokenIssuer) -> Client:
    return Client(http, issuer, "adviser", "kunta-732", diary.SALLA)


@pytest.fixture(scope="module")
def kela(http: httpx.AsyncClient, issuer: TokenIssuer) -> Client:
    return Client(http, issuer, "authority", "kela")


@pytest.fixture(scope="module")
def vero(http: httpx.AsyncClient, issuer: TokenIssuer) -> Client:
    return Client(http, issuer, "authority", "vero")
