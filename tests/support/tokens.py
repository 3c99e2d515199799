"""A real token issuer as a process, and tokens of any role from it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx

from deploy.dev.clients import Clients
from deploy.dev.layout import REPOSITORY
from deploy.dev.lifecycle import service_program
from deploy.dev.process import free_port, kill9, spawn, wait_until

KEPT_S = 600.0


class TokenIssuer:
    """The development issuer on a free port. Services trust it through `url`."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.clients = Clients(folder / "clients.json")
        self.clients.add_ready()
        argv = [sys.executable, "-m", "deploy.dev.issuer", "--port", str(self.port)]
        argv += ["--clients", str(self.clients.file), "--key", str(folder / "issuer.pem")]
        self._program = service_program("issuer", argv, {}, log=folder / "issuer.log", repository=REPOSITORY)
        self._tokens: dict[str, tuple[float, str]] = {}

    def start(self) -> None:
        """Start and wait until it answers."""
        self._process = spawn(self._program)
        wait_until(self._answers, self._process, self._program, within_s=30)

    def stop(self) -> None:
        """End it."""
        kill9(self._process)

    def token(self, role: str, party_id: str | None = None, points: tuple[str, ...] = ()) -> str:
        """A bearer token of that role, kept for ten of the 15 minutes that it lives."""
        client = self.clients.get(role, party_id, points)
        made, token = self._tokens.get(client.client_id, (-KEPT_S, ""))
        if time.monotonic() - made >= KEPT_S:
            answer = httpx.post(
                f"{self.url}/token",
                data={"grant_type": "client_credentials"},
                auth=(client.client_id, client.client_secret),
            )
            token = answer.raise_for_status().json()["access_token"]
            self._tokens[client.client_id] = (time.monotonic(), token)
        return token

    def headers(self, role: str, party_id: str | None = None, points: tuple[str, ...] = ()) -> dict[str, str]:
        """The `Authorization` header of that role."""
        return {"Authorization": f"Bearer {self.token(role, party_id, points)}"}

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/jwks.json").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
