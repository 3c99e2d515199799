"""The service's own verb: a question from the shell, as the operator, who sees every figure."""

from __future__ import annotations

import argparse
import asyncio
import sys

import orjson

from services.chassis.db import Database
from services.chassis.service import CliCommand
from services.chassis.settings import Settings
from services.statistics import cube
from services.statistics.domain import parse
from services.statistics.tabular import to_csv


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--measures", required=True, help="for example acts,quantity")
    parser.add_argument("--by", default="", help="dimensions, for example authority,month")
    parser.add_argument("--from", dest="first", default="", help="first day or month")
    parser.add_argument("--to", dest="last", default="", help="last day or month")
    parser.add_argument("--after", help="the cursor of the page before")
    parser.add_argument("--limit", type=int, help="rows at most")
    parser.add_argument("--json", action="store_true", help="JSON instead of CSV")
    parser.add_argument("filters", nargs="*", metavar="dimension=value", help="for example point=piste-732-1")


def _run(settings: Settings, chosen: argparse.Namespace) -> int:
    filters = [tuple(each.split("=", 1)) if "=" in each else (each, "") for each in chosen.filters]
    question = parse(
        [("measures", chosen.measures), ("by", chosen.by), ("from", chosen.first), ("to", chosen.last), *filters]
    )

    async def work() -> int:
        database = Database(settings.database_url.get_secret_value(), pool_size=2, application="operator")
        try:
            async with database.snapshot() as connection:
                on = await cube.ground(connection)
                found = await cube.ask(on, question, cube.EVERYTHING, after=chosen.after, limit=chosen.limit)
        finally:
            await database.close()
        answer = found.answer
        if chosen.json:
            sys.stdout.buffer.write(
                orjson.dumps({"columns": answer.columns, "rows": answer.rows, "next": answer.following}) + b"\n"
            )
        else:
            sys.stdout.buffer.write(to_csv(answer.columns, answer.rows))
            if answer.following:
                print(f"more: --after {answer.following}", file=sys.stderr)
        return 0

    return asyncio.run(work())


COMMANDS = {"cube": CliCommand("ask the cubes; prints CSV", _arguments, _run)}
