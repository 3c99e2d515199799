"""Load the synthetic network: bulk append through the deciders of the services, and no other door.

The agreements and the diary are written to as their own processes write; billing and statistics learn of it over
Kafka alone. No clock is overridden: everything is recorded now, so history is entered late, with a reason.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel

from deploy.demo.client import Caller, Journal
from deploy.demo.network import Command as Request
from deploy.demo.network import Network, VisitCommand
from deploy.demo.progress import Bar
from deploy.dev.layout import service_settings
from schemas import topics
from services.agreements import handlers as agreements
from services.agreements.requests import command_of
from services.chassis.access import Principal, Role
from services.chassis.db import Database
from services.chassis.log import Command, LogSpec, Outcome, Writer
from services.chassis.log.append import Result
from services.chassis.log.writer import BULK_BATCH
from services.chassis.settings import Settings
from services.diary import handlers as diary
from services.diary.domain.entries import CorrectVisit, ForwardDocument, ReceiveDocument, RecordVisit, VoidVisit

if TYPE_CHECKING:
    from deploy.demo.world import World
    from deploy.dev.supervisor import Stack

ISSUER = "bulk-load"
LOOK_S = 0.1
HISTORY_REASON = "other"


class LoadFailed(Exception):
    """The deciders refused something, or it did not arrive where it must."""


class BulkWriter:
    """Appends to the log of one service as its running role does. ``position``: of the last event written."""

    def __init__(self, spec: LogSpec, settings: Settings, journal: Journal) -> None:
        url = settings.database_url.get_secret_value()
        self._database = Database(url, pool_size=2, application=f"{spec.service} bulk load")
        self._writer = Writer(self._database, spec)
        self._service, self._journal = spec.service, journal
        self.position = 0

    async def append(self, commands: Iterable[Command], bar: Bar) -> None:
        """Batches in order; each is acknowledged in the journal once it is committed. Raises LoadFailed."""
        remaining = iter(commands)
        batch = _next_batch(remaining)
        while batch:
            # The next batch is made while the database works on this one.
            following = asyncio.create_task(asyncio.to_thread(_next_batch, remaining))
            try:
                self._acknowledge(await self._writer.append(batch))
            finally:
                done, batch = len(batch), await following
            bar.add(done)

    def _acknowledge(self, results: Sequence[Result]) -> None:
        refused = [result for result in results if not isinstance(result, Outcome)]
        if refused:
            raise LoadFailed(f"{self._service} refused {len(refused)} of a batch; the first: {refused[0]}")
        answers = [result.answer for result in results if isinstance(result, Outcome)]
        self._journal.acknowledge(self._service, list(answers))
        self.position = max([self.position, *(answer.get("position", 0) for answer in answers)])

    async def close(self) -> None:
        await self._database.close()


def _next_batch(commands: Iterator[Command]) -> list[Command]:
    return list(islice(commands, BULK_BATCH))


@contextmanager
def _without_collector() -> Iterator[None]:
    """No search for cycles while some millions of short-lived objects without any are made: a fifth of the time."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def load(world: World, visits: int) -> None:
    """The whole network: agreements first, then, once the diary knows them, the visits; until everybody knows all."""
    teller, operator, network = world.teller, world.operator, world.network
    teller.say("load")
    began = time.monotonic()
    first, last = network.last_months()
    made = asyncio.create_task(asyncio.to_thread(_entries, network, visits, world.now))
    with _without_collector():
        with Bar(teller.text("load_agreements"), sum(1 for _ in network.commands())) as bar:
            agreements_end = await load_agreements(world.stack, network, world.journal, bar)
        await until_known(operator, "diary", {AGREEMENTS: agreements_end})
        entries = await made
        with Bar(teller.text("load_diary"), len(entries)) as bar:
            diary_end = await load_diary(world.stack, entries, world.journal, bar)
    for service in ("billing", "statistics"):
        positions = {AGREEMENTS: agreements_end, DIARY: diary_end}
        with Bar(teller.text("load_known", service=service), sum(positions.values())) as bar:
            await until_known(operator, service, positions, bar)
    counts = {"points": len(network.points), "agreements": len(network.written), "visits": visits}
    teller.say("loaded", first=first, last=last, seconds=time.monotonic() - began, **counts)


def _entries(network: Network, visits: int, now: dt.datetime) -> list[VisitCommand]:
    """Everything that was entered at the counters until now."""
    return list(network.visits(*network.last_months(), visits, now=now, history_reason=HISTORY_REASON))


async def load_agreements(stack: Stack, network: Network, journal: Journal, bar: Bar) -> int:
    """Parties, points, services and agreements. Returns the last position of the log."""
    settings = service_settings(stack.environment("agreements"))
    writer = BulkWriter(agreements.log_spec(settings), settings, journal)
    try:
        await writer.append(map(_agreements_command, network.commands()), bar)
    finally:
        await writer.close()
    return writer.position


def _agreements_command(request: Request) -> Command:
    return command_of(request.method, request.path, request.body, _register_principal(request))


def _register_principal(request: Request) -> Principal:
    """Whose request it is: the register's keeper keeps parties and the catalogue, the parties agree themselves."""
    kind = request.path.split("/")[2]
    if request.party_id is None or kind in ("parties", "services"):
        return Principal("register-keeper", ISSUER, frozenset({Role.REGISTER_KEEPER}), party_id="lvv")
    role = Role.AUTHORITY if kind == "agreements" and request.path.endswith("/approvals") else Role.PROVIDER
    return Principal(f"signer-{request.party_id}", ISSUER, frozenset({role}), party_id=request.party_id)


async def load_diary(stack: Stack, visits: Sequence[VisitCommand], journal: Journal, bar: Bar) -> int:
    """Visits, corrections, voids and papers. Returns the last position of the log."""
    settings = service_settings(stack.environment("diary"))
    writer = BulkWriter(diary.log_spec(settings), settings, journal)
    try:
        await writer.append(map(diary_command, visits), bar)
    finally:
        await writer.close()
    return writer.position


def diary_command(visit: VisitCommand) -> Command:
    """An entry as its adviser would send it."""
    model, make = _DIARY[visit.kind]
    points = frozenset({visit.service_point_id})
    principal = Principal(visit.recorder, ISSUER, frozenset({Role.ADVISER}), points=points)
    return make(UUID(visit.subject_id), model.model_validate(visit.body), principal)


_DIARY: dict[str, tuple[type[BaseModel], Callable[..., Command]]] = {
    "visit": (RecordVisit, diary.visit_command),
    "correction": (CorrectVisit, diary.change_command),
    "void": (VoidVisit, diary.change_command),
    "document": (ReceiveDocument, diary.document_command),
    "forwarded": (ForwardDocument, diary.forward_command),
}


async def until_known(operator: Caller, service: str, positions: dict[str, int], bar: Bar | None = None) -> None:
    """Wait until a service has read the given positions of the topics, as its operator sees it."""
    wanted = sum(positions.values())

    async def arrived() -> bool:
        known = await known_positions(operator, service)
        if bar is not None:
            bar.show(sum(min(known.get(topic, 0), position) for topic, position in positions.items()), wanted)
        return all(known.get(topic, 0) >= position for topic, position in positions.items())

    await until(arrived, f"{service} has not read {positions} from Kafka", within_s=90)


async def known_positions(operator: Caller, service: str) -> dict[str, int]:
    """Per topic the position that the version being read has taken in, in whatever partition."""
    known: dict[str, int] = {}
    for item in (await operator.get(service, "/api/projections"))["items"]:
        if item["state"] == "active":
            for part in item["partitions"]:
                known[part["topic"]] = max(known.get(part["topic"], 0), part["position"], part["sealed"])
    return known


async def until(holds: Callable[[], Awaitable[bool]], otherwise: str, *, within_s: float) -> float:
    """Ask until it holds; the seconds that it took. Raises LoadFailed."""
    began = time.monotonic()
    while not await holds():
        if time.monotonic() - began > within_s:
            raise LoadFailed(f"{otherwise} within {within_s:g} s")
        await asyncio.sleep(LOOK_S)
    return time.monotonic() - began


AGREEMENTS, DIARY, BILLING = topics.AGREEMENTS.name, topics.DIARY.name, topics.BILLING.name
