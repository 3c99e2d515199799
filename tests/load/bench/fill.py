"""Bulk append through the deciders, and the relay of the whole log: ``fill --visits N``."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

import uvloop

from deploy.demo.network import Network
from services.agreements import handlers as agreements
from services.agreements.requests import command_of
from services.chassis.access import Principal, Role
from services.chassis.db import Database
from services.chassis.errors import ApudiaariError
from services.chassis.log import Command, LogSpec, Writer
from services.chassis.log.writer import BULK_BATCH
from services.chassis.process import tune
from services.chassis.relay import Term
from services.chassis.settings import Settings
from services.chassis.transport import KafkaTransport
from services.diary import handlers as diary
from services.diary.domain.entries import RecordVisit
from services.diary.projection import SPEC as REGISTER
from tests.load.bench import settings_of
from tests.load.bench.fold import fold_until

EVERYTHING = frozenset(Role)


def pieces(commands: Iterable[Command]) -> Iterator[list[Command]]:
    """Batches as large as an append may be."""
    source = iter(commands)
    while piece := list(islice(source, BULK_BATCH)):
        yield piece


async def append_all(writer: Writer, commands: Iterable[Command]) -> tuple[int, float]:
    """Append all; (how many were recorded, seconds spent appending, without making the commands)."""
    recorded, seconds = 0, 0.0
    for piece in pieces(commands):
        started = time.perf_counter()
        results = await writer.append(piece)
        seconds += time.perf_counter() - started
        refused = [result for result in results if isinstance(result, ApudiaariError)]
        if refused:
            raise refused[0]
        recorded += len(results)
    return recorded, seconds


def reference_commands(network: Network) -> Iterator[Command]:
    """Everything of the register, in the order to apply."""
    for wish in network.commands():
        who = Principal("bench", "bench", EVERYTHING, party_id=wish.party_id)
        yield command_of(wish.method, wish.path, wish.body, who)


def visit_commands(network: Network, count: int) -> Iterator[Command]:
    """New visits of the last full months."""
    points = frozenset(body.subject for body in network.points)
    who = Principal("bench", "bench", EVERYTHING, points=points)
    start, today = network.last_months(full=3)
    made = 0
    for visit in network.visits(start, today, count, history_reason="other"):
        if visit.kind == "visit":
            made += 1
            yield diary.visit_command(UUID(visit.id), RecordVisit.model_validate(visit.body), who)


async def relay_all(settings: Settings, spec: LogSpec, database: Database) -> tuple[int, float]:
    """Publish a whole log to an empty topic; (records, seconds)."""
    transport = await KafkaTransport.open(settings)
    term = Term(database, spec.topic, transport)
    await term.compare()
    started = time.perf_counter()
    while await term.publish():
        pass
    seconds = time.perf_counter() - started
    head = await term.head_to_seal()
    assert head is not None
    await term.seal(head)
    await transport.close()
    return head.position, seconds


async def run(visits: int) -> dict[str, Any]:
    network = Network.make(today=dt.datetime.now(dt.UTC).date())
    figures: dict[str, Any] = {}
    for name, spec_of in (("agreements", agreements.log_spec), ("diary", diary.log_spec)):
        settings = settings_of(name)
        spec = spec_of(settings)
        database = Database(settings.database_url.get_secret_value())
        if name == "diary":
            await fold_until(settings, database, REGISTER, 1)
            commands: Iterable[Command] = visit_commands(network, visits)
        else:
            commands = reference_commands(network)
        recorded, seconds = await append_all(Writer(database, spec), commands)
        position, relaying = await relay_all(settings, spec, database)
        figures[name] = {
            "events": position,
            "append_per_s": round(recorded / seconds),
            "relay_per_s": round(position / relaying),
        }
        await database.close()
    return figures


if __name__ == "__main__":
    tune()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=1_000_000)
    print(json.dumps(uvloop.run(run(parser.parse_args().visits))))
