"""Machine clients of the development stack: one per role and party, with secrets that live in one JSON file."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Client:
    """A machine client as it stands in `.run/endpoints.json`."""

    role: str
    client_id: str
    client_secret: str
    party_id: str | None
    points: tuple[str, ...]


HOME_POINT, HOME_MUNICIPALITY = "piste-732-1", "kunta-732"
READY: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
    ("adviser", HOME_MUNICIPALITY, (HOME_POINT,)),
    ("manager", HOME_MUNICIPALITY, (HOME_POINT,)),
    ("provider", HOME_MUNICIPALITY, ()),
    ("provider", "kunta-091", ()),
    ("provider", "kunta-261", ()),
    *(
        ("authority", party, ())
        for party in ("kela", "vero", "poliisi", "dvv", "te-toimisto", "lvv", "migri", "ulosotto")
    ),
    ("own_staff", "kela", (HOME_POINT,)),
    ("ministry", "vm", ()),
    ("auditor", "vtv", ()),
    ("operator", None, ()),
    ("register_keeper", "lvv", ()),
)
"""Role, party and points of the clients that are always there (732 Salla, 091 Helsinki, 261 Kittilä)."""


class Clients:
    """The clients in a file (mode 0600) that the token issuer reads again whenever it changes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._known: dict[str, Client] = {}
        if file.exists():
            listed = json.loads(file.read_text())
            self._known = {entry["client_id"]: Client(**entry | {"points": tuple(entry["points"])}) for entry in listed}

    def add_ready(self) -> None:
        """Make the clients that are always there."""
        for role, party_id, points in READY:
            self.get(role, party_id, points)

    def get(self, role: str, party_id: str | None = None, points: tuple[str, ...] = ()) -> Client:
        """The client of this role, party and points, made when it is new."""
        client_id = "-".join([role, *([party_id] if party_id else []), *points])
        if client_id not in self._known:
            self._known[client_id] = Client(role, client_id, secrets.token_urlsafe(24), party_id, points)
            write_private_json(self.file, self.listed())
        return self._known[client_id]

    def listed(self) -> list[dict[str, object]]:
        """All clients as JSON objects."""
        return [asdict(client) for client in self._known.values()]


def write_private_json(file: Path, content: object) -> None:
    """Write JSON that we alone may read, whole or not at all."""
    write_private(file, json.dumps(content, indent=1, ensure_ascii=False))


def write_private(file: Path, content: str) -> None:
    """Write a file that we alone may read, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(content)
    draft.replace(file)
