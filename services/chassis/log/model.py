"""The words of the log: commands in, events out. No I/O here."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import EventData
from schemas.topics import Topic
from services.chassis.access import Principal
from services.chassis.trace import CURRENT


@dataclass(frozen=True, slots=True)
class Command:
    """A wish of a client. ``digest`` covers kind, target, body and whose wish it is, so that a reused id is seen: an
    answer is repeated to the organisation that got it, never to another that learnt the id.

    ``private`` is what must not enter the log (keys, names): it is not part of the digest and reaches only ``project``.
    ``trace`` is the W3C traceparent of the request; it travels as a Kafka header.
    """

    id: UUID
    payload: Any
    principal: Principal
    digest: bytes
    target: str = ""
    private: Any = None
    trace: str = ""

    @classmethod
    def of(
        cls,
        command_id: UUID,
        payload: BaseModel,
        principal: Principal,
        *,
        target: str = "",
        private: Any = None,
    ) -> Command:
        """A command whose handler is found by the type of ``payload``; ``target`` is the id in the path, if any.

        Made while a request is served, it carries that request's trace.
        """
        asker = principal.party_id or ""
        content = f"{type(payload).__name__}\n{target}\n{asker}\n{payload.model_dump_json()}".encode()
        return cls(command_id, payload, principal, hashlib.sha256(content).digest(), target, private, CURRENT.get())


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What a decider wants recorded. ``key`` is the stream's home (Kafka key); ``copies`` what each authority sees."""

    stream: str
    key: str
    occurred: dt.datetime
    data: EventData
    copies: Mapping[str, EventData] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """An event with its place in the log. ``places``: its copies' sequences, per authority."""

    event: NewEvent
    command: Command
    id: UUID
    position: int
    version: int
    recorded: dt.datetime
    places: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The events of a command, and how its answer is made once they have their places."""

    events: Sequence[NewEvent]
    answer: Callable[[Sequence[Placed]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream folded so far: version 0 and None before its first event."""

    version: int = 0
    value: Any = None


States = Mapping[str, StreamState]


class Context(Protocol):
    """What a decider may know beside its streams. It follows the batch: ``apply`` sees each event decided before."""

    def apply(self, placed: Placed) -> None: ...


class ContextSource(Protocol):
    """Loads the context of a batch, set-based, inside the append transaction."""

    async def load(self, connection: AsyncConnection, commands: Sequence[Command]) -> Context: ...

    def forget(self) -> None:
        """The transaction did not commit: drop whatever was cached since."""


class NoContext:
    """For logs whose deciders need only their streams."""

    async def load(self, connection: AsyncConnection, commands: Sequence[Command]) -> NoContext:
        return self

    def apply(self, placed: Placed) -> None:
        return None

    def forget(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Handler:
    """One command: which streams it needs, and its decision.

    ``decide(command, states, context, now)`` is pure; it raises :class:`~services.chassis.errors.ApudiaariError` to
    refuse, and asks ``access.require`` wherever the right depends on what is recorded.
    """

    streams: Callable[[Command], Sequence[str]]
    decide: Callable[[Command, States, Any, dt.datetime], Decision]


@dataclass(frozen=True, slots=True)
class LogSpec:
    """A service's log: its topic, its handlers by payload type, how its streams fold, and its own read tables."""

    service: str
    topic: Topic
    handlers: Mapping[type[BaseModel], Handler]
    evolve: Callable[[Any, EventData], Any]
    project: Callable[[AsyncConnection, Sequence[Placed]], Awaitable[None]]
    context: ContextSource = field(default_factory=NoContext)

    @property
    def source(self) -> str:
        """CloudEvents source of the log."""
        return f"/apudiaari/{self.service}"

    def feed_source(self, authority_id: str) -> str:
        """CloudEvents source of an authority's copies."""
        return f"/apudiaari/{self.service}/authority/{authority_id}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command: its answer, and whether it had been given before."""

    answer: dict[str, Any]
    repeated: bool
