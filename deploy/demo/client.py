"""Callers of the public HTTP interfaces: machine clients with tokens, and the journal of what they were promised."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import httpx

TOKEN_LIFE_S = 600
JSON = dict[str, Any]


class Refusal(Exception):
    """A service answered otherwise than the story expects. ``code`` is the problem's, if it named one."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Journal:
    """What clients were told is recorded, one JSON object a line. What was lost is judged by it, never by the store."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._out: IO[str] = file.open("w")

    def acknowledge(self, service: str, answers: list[Mapping[str, Any]]) -> None:
        """Keep answers that name an event; a command that changed nothing promises nothing."""
        for answer in answers:
            if "position" in answer:
                entry = {"service": service, "position": answer["position"], "event_id": answer["event_id"]}
                self._out.write(json.dumps(entry) + "\n")
        self._out.flush()

    def promised(self, service: str) -> list[JSON]:
        """Everything that was promised by one service."""
        entries = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [entry for entry in entries if entry["service"] == service]

    def close(self) -> None:
        self._out.close()


class Callers:
    """Machine clients of the endpoints file, by role and party, sharing one pool of connections."""

    def __init__(self, endpoints: Callable[[], Mapping[str, Any]], journal: Journal) -> None:
        self._read_endpoints, self._journal = endpoints, journal
        self._http = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=16))
        self._tokens: dict[str, tuple[str, float]] = {}

    @property
    def _endpoints(self) -> Mapping[str, Any]:
        """As they are now: clients may have been added."""
        return self._read_endpoints()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def by(self, role: str, party: str | None = None) -> Caller:
        """The caller of a role and party."""
        for client in self._endpoints["clients"]:
            if client["role"] == role and client["party_id"] == party:
                return Caller(self, client)
        raise Refusal(f"there is no machine client {role} of {party}")

    async def token(self, client: Mapping[str, Any]) -> str:
        """A token of the client that is good for some minutes more."""
        token, until = self._tokens.get(client["client_id"], ("", 0.0))
        if time.monotonic() > until:
            answer = await self._http.post(
                self._endpoints["token_endpoint"],
                data={"grant_type": "client_credentials"},
                auth=(client["client_id"], client["client_secret"]),
            )
            answer.raise_for_status()
            token = answer.json()["access_token"]
            self._tokens[client["client_id"]] = (token, time.monotonic() + TOKEN_LIFE_S)
        return token

    async def send(
        self, client: Mapping[str, Any], method: str, service: str, path: str, body: JSON | None
    ) -> httpx.Response:
        """One request. Raises Refusal unless the answer is 2xx."""
        headers = {"Authorization": f"Bearer {await self.token(client)}"}
        url = f"{self._endpoints['base_urls'][service]}{path}"
        answer = await self._http.request(method, url, json=body, headers=headers)
        if not answer.is_success:
            raise Refusal(f"{method} {service}{path}: {answer.status_code} {answer.text[:600]}", _code(answer))
        return answer

    def acknowledge(self, service: str, answer: JSON) -> None:
        """Put a promise, and what it carries along, into the journal."""
        self._journal.acknowledge(service, [answer, *([answer["visit"]] if "visit" in answer else [])])


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return ""


class Caller:
    """One machine client."""

    def __init__(self, callers: Callers, client: Mapping[str, Any]) -> None:
        self._callers, self._client = callers, client

    async def get(self, service: str, path: str) -> JSON:
        """A JSON answer."""
        answer: JSON = (await self._callers.send(self._client, "GET", service, path, None)).json()
        return answer

    async def bytes(self, service: str, path: str) -> bytes:
        """An answer as it came."""
        return (await self._callers.send(self._client, "GET", service, path, None)).content

    async def put(self, service: str, path: str, body: JSON) -> JSON:
        return await self._write("PUT", service, path, body)

    async def post(self, service: str, path: str, body: JSON) -> JSON:
        return await self._write("POST", service, path, body)

    async def _write(self, method: str, service: str, path: str, body: JSON) -> JSON:
        answer: JSON = (await self._callers.send(self._client, method, service, path, body)).json()
        self._callers.acknowledge(service, answer)
        return answer
