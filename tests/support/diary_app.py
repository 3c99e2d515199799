"""The diary as one principal meets it over HTTP."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx

from tests.support.diary import visit
from tests.support.tokens import TokenIssuer

FEED_SECRET = "5e" * 32


class Client:
    """The service as one principal meets it."""

    def __init__(self, http: httpx.AsyncClient, issuer: TokenIssuer, role: str, party: str, *points: str) -> None:
        self.http, self.headers = http, issuer.headers(role, party, points)

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.http.request(method, path, headers=self.headers, **options)

    async def put(self, path: str, body: Any) -> httpx.Response:
        return await self.call("PUT", path, json=body)

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self.call("POST", path, json=body)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.call("GET", path, params=params)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def today(**changes: Any) -> dict[str, Any]:
    return visit(occurred_at=now().isoformat(), **changes)
