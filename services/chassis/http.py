"""The outer edge of every service's HTTP: trace ids, size limits, timings; and the few shapes that answers share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import FastAPI
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.errors import TooLarge
from services.chassis.log import Outcome
from services.chassis.problems import MEDIA_TYPE, problem
from services.chassis.trace import CURRENT, taken_or_new, trace_id

MAX_BODY_BYTES = 1024 * 1024

REQUESTS = Counter("apudiaari_http_requests", "Requests by route and status class", ["method", "route", "status"])
SECONDS = Histogram("apudiaari_http_seconds", "Time to answer", ["method", "route"])


class Json(Response):
    """A JSON answer; bytes are sent as they are."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else orjson.dumps(content, default=str)


def answer(outcome: Outcome) -> Json:
    """201 with the answer of a command, 200 when the same command was answered before."""
    return Json(outcome.answer, 200 if outcome.repeated else 201)


def page(items: Sequence[Any], following: Any = None) -> Json:
    """A list with the cursor of the next page, or null."""
    return Json({"items": items, "next": following})


class Outer:
    """ASGI middleware: gives each request a trace id, refuses bodies over the limit while they arrive, and counts."""

    def __init__(self, app: ASGIApp, *, limits: dict[str, int]) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        traceparent = taken_or_new(headers.get("traceparent", ""))
        trace = trace_id(traceparent)
        scope.setdefault("state", {})["trace_id"] = trace
        token = CURRENT.set(traceparent)
        limit = self._limit(scope["path"])
        started, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-trace-id"] = trace
            await send(message)

        try:
            if int(headers.get("content-length") or 0) > limit:
                await _refuse(scope, receive, sending, limit, trace)
            else:
                await self._bounded(scope, receive, sending, limit, trace)
        finally:
            CURRENT.reset(token)
            route = getattr(scope.get("route"), "path", "unknown")
            SECONDS.labels(scope["method"], route).observe(time.perf_counter() - started)
            REQUESTS.labels(scope["method"], route, f"{status // 100}xx").inc()

    def _limit(self, path: str) -> int:
        return next((limit for prefix, limit in self.limits.items() if path.startswith(prefix)), MAX_BODY_BYTES)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, limit: int, trace: str) -> None:
        """Count a body that does not say its length."""
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise TooLarge("too_large", f"The body is over the limit of {limit} bytes.")
            return message

        try:
            await self.app(scope, receiving, send)
        except TooLarge:
            await _refuse(scope, receive, send, limit, trace)


async def _refuse(scope: Scope, receive: Receive, send: Send, limit: int, trace: str) -> None:
    refusal = TooLarge("too_large", f"The body is over the limit of {limit} bytes. Nothing was recorded.")
    body = orjson.dumps(problem(refusal, trace))
    await Response(body, 413, media_type=MEDIA_TYPE)(scope, receive, send)


def add_outer(app: FastAPI, limits: dict[str, int] | None = None) -> None:
    """Put the outer edge around an app. ``limits``: bytes per path prefix where the default does not do."""
    app.add_middleware(Outer, limits=limits or {})
