"""What the steps of the story share: callers, the logs as an outsider reads them, and what earlier steps found."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from deploy.demo.client import Caller, Callers, Journal
from deploy.demo.naive.feed import split_events
from deploy.demo.naive.log import Log
from deploy.demo.network import Network
from deploy.demo.telling import Teller
from deploy.dev.clients import HOME_MUNICIPALITY, HOME_POINT
from deploy.dev.supervisor import Stack

HELSINKI = ZoneInfo("Europe/Helsinki")
PAGE = 1000
JSON = dict[str, Any]


class EarlierStepFailed(Exception):
    """A step needs what an earlier one did not find."""


class Facts:
    """What the steps found, by name. Reading what no step has found raises EarlierStepFailed."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._found:
            raise EarlierStepFailed(f"an earlier step did not find {name}")
        return self._found[name]

    def keep(self, **facts: Any) -> None:
        self._found |= facts


@dataclass
class World:
    """Everything a step may use."""

    stack: Stack
    callers: Callers
    journal: Journal
    network: Network
    teller: Teller
    facts: Facts = field(default_factory=Facts)
    logs: dict[str, Log] = field(default_factory=dict)
    background: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.logs = {name: Log(self.dsn(name)) for name in ("diary", "agreements", "billing")}

    def dsn(self, service: str) -> str:
        """The service's database, as its running role."""
        return self.stack.postgres.dsn(f"apudiaari_{service}", f"{service}_app")

    @property
    def folder(self) -> Path:
        """Where the story keeps its files."""
        folder = self.stack.root / "story"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def now(self) -> dt.datetime:
        """The present in Helsinki."""
        return now()

    @property
    def period(self) -> str:
        """The last full month."""
        return month_before(self.now.date(), 1)

    @property
    def amended_from(self) -> dt.date:
        """The first day of the month three months back: from then on the amendment of the story is in force."""
        return dt.date.fromisoformat(f"{month_before(self.now.date(), 3)}-01")

    @property
    def adviser(self) -> Caller:
        return self.callers.by("adviser", HOME_MUNICIPALITY)

    @property
    def provider(self) -> Caller:
        return self.callers.by("provider", HOME_MUNICIPALITY)

    @property
    def kela(self) -> Caller:
        return self.callers.by("authority", "kela")

    @property
    def operator(self) -> Caller:
        return self.callers.by("operator")

    @property
    def ministry(self) -> Caller:
        return self.callers.by("ministry", "vm")

    async def log(self, service: str) -> Log:
        """A service's log, read up to its end."""
        return await self.logs[service].refresh()

    async def feed(self, authority: str) -> tuple[int, list[bytes]]:
        """An authority's whole diary feed over HTTP: its head and the bytes of every copy."""
        caller, copies, head = self.callers.by("authority", authority), list[bytes](), 1
        while len(copies) < head:
            answer = await caller.bytes("diary", f"/api/feeds/{authority}?after={len(copies)}&limit={PAGE}")
            head, more = split_events(answer)
            copies += more
            if not more:
                break
        return head, copies

    async def record(self, body: JSON) -> JSON:
        """A new visit by the adviser in Salla."""
        return await self.adviser.put("diary", f"/api/visits/{uuid4()}", body)

    def keep_file(self, name: str, content: bytes | JSON) -> Path:
        """A file of the story, for whoever wants to look."""
        file = self.folder / name
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode())
        return file


def now() -> dt.datetime:
    """The present in Helsinki."""
    return dt.datetime.now(HELSINKI)


def visit(when: dt.datetime, acts: list[JSON], **more: Any) -> JSON:
    """A visit in Salla with its acts, one customer, in Finnish."""
    return {
        "service_point_id": HOME_POINT,
        "occurred_at": when.isoformat(timespec="seconds"),
        "customers": 1,
        "language": "fi",
        "acts": acts,
        **more,
    }


def act(authority: str, service: str, task: str, *, quantity: int = 1, minutes: int = 12) -> JSON:
    """An act at the counter."""
    return {
        "authority_id": authority,
        "service": service,
        "task": task,
        "channel": "counter",
        "quantity": quantity,
        "minutes": minutes,
    }


def month_before(day: dt.date, months: int) -> str:
    """The month some months before a day's, ``2026-10``."""
    number = day.year * 12 + day.month - 1 - months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def moments_ago(now: dt.datetime) -> dt.datetime:
    """A minute ago, but never yesterday: an entry of an earlier day would need a reason."""
    return max(now - dt.timedelta(minutes=1), now.replace(hour=0, minute=0, second=0, microsecond=0))
