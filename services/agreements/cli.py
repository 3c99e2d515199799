"""The service's own verb: ``show <agreement-id> [--as-of-valid DAY] [--as-of-known POSITION|TIME]``."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
from uuid import UUID

import orjson

from services.agreements import queries
from services.agreements.asof import as_of, parse_known, to_json
from services.chassis import clock
from services.chassis.db import Database
from services.chassis.errors import NotFound
from services.chassis.service import CliCommand
from services.chassis.settings import Settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agreement_id", type=UUID)
    parser.add_argument("--as-of-valid", type=dt.date.fromisoformat, help="the day agreed on (default: today)")
    parser.add_argument("--as-of-known", help="a log position or a time of recording (default: all that is known)")


def _show(settings: Settings, chosen: argparse.Namespace) -> int:
    print(asyncio.run(_answer(settings, chosen)).decode())
    return 0


async def _answer(settings: Settings, chosen: argparse.Namespace) -> bytes:
    known, today = parse_known(chosen.as_of_known), clock.helsinki_day(clock.now())
    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    try:
        async with database.snapshot() as connection:
            rows = await queries.agreement(connection, chosen.agreement_id, today)
            position = await queries.head_position(connection)
    finally:
        await database.close()
    found = as_of(rows, chosen.as_of_valid or today, known) if rows else None
    if rows is None or found is None:
        raise NotFound("not_found", "No such agreement was known then.")
    return orjson.dumps(to_json(rows, found, position), option=orjson.OPT_INDENT_2)


COMMANDS = {"show": CliCommand("an agreement as agreed on a day and as known at a moment", _arguments, _show)}
