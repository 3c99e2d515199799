"""A real token issuer as a process, and tokens of any role from it."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from deploy.dev.clients import Clients
from deploy.dev.layout import REPOSITORY
from deploy.dev.lifecycle import service_program
from deploy.dev.process import free_port, kill9, spawn, wait_until


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
        self._tokens: dict[str, str] = {}

    def start(self) -> None:
        """Start and wait until it answers."""
        self._process = spawn(self._program)
        wait_until(self._answers, self._process, self._program, within_s=30)

    def stop(self) -> None:
        """End it."""
        kill9(self._process)

    def token(self, role: str, party_id: str | None = None, points: tuple[str, ...] = ()) -> str:
        """A bearer token of that role, kept for the run (it lives 15 minutes)."""
        client = self.clients.get(role, party_id, points)
        if client.client_id not in self._tokens:
            answer = httpx.post(
                f"{self.url}/token",
                data={"grant_type": "client_credentials"},
                auth=(client.client_id, client.client_secret),
            )
            self._tokens[client.client_id] = answer.raise_for_status().json()["access_token"]
        return self._tokens[client.client_id]

    def headers(self, role: str, party_id: str | None = None, points: tuple[str, ...] = ()) -> dict[str, str]:
        """The `Authorization` header of that role."""
        return {"Authorization": f"Bearer {self.token(role, party_id, points)}"}

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/jwks.json").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
