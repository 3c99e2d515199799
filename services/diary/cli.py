"""The diary's own verbs: import a file of visits, take out a receipt. Both work on the service's database."""

from __future__ import annotations

import argparse
import asyncio
import csv
import getpass
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from services.chassis import clock
from services.chassis.access import Principal, Role
from services.chassis.db import Database
from services.chassis.errors import Invalid
from services.chassis.evidence.signing import load_signing_key
from services.chassis.log import Writer
from services.chassis.service import CliCommand
from services.chassis.settings import Settings
from services.diary import handlers, imports
from services.diary.context import RegisterCache
from services.diary.receipts import ORIGIN, receipt_of
from services.diary.staff import staff_ref

ISSUER = "command-line"


def import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="CSV in UTF-8; the columns are described on the page of imports")
    parser.add_argument("--point", required=True, help="service point of the visits")
    parser.add_argument("--rejected", type=Path, help="write the rejected rows here, to be mended and sent again")


def import_file(settings: Settings, chosen: argparse.Namespace) -> int:
    """Record the visits of a file. Exit code 1 if a row was rejected."""
    if chosen.file.stat().st_size > imports.MAX_FILE_BYTES:
        raise imports.too_large()
    content = chosen.file.read_bytes()

    async def work(database: Database) -> int:
        async with database.reading() as connection:
            known = await RegisterCache().current(connection)
        if chosen.point not in known.points:
            raise Invalid("unknown_service_point", f"There is no service point {chosen.point}.")
        provider = known.points[chosen.point].on(clock.helsinki_day(clock.now())).provider_id
        who = Principal(_user(), ISSUER, frozenset({Role.MANAGER}), provider, frozenset({chosen.point}))
        recorder = staff_ref(settings.feed_secret_bytes, who)
        writer = Writer(database, handlers.log_spec(settings))
        import_id = uuid4()
        report = await imports.run(writer, database, who, (chosen.point, provider), import_id, content, recorder)
        return await _report(database, report, import_id, chosen.rejected)

    return _with_database(settings, work)


async def _report(database: Database, report: dict[str, Any], import_id: UUID, rejected: Path | None) -> int:
    rows = report["rows"]
    print(f"{rows['read']} rows: {rows['recorded']} recorded, {rows['repeated']} repeated, {rows['rejected']} rejected")
    out = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    for problem in report["rejected"]:
        out.writerow([problem["line"], problem["external_id"], problem["column"], problem["code"], problem["detail"]])
    if rejected is not None and rows["rejected"]:
        async with database.reading() as connection:
            row = await imports.stored(connection, import_id)
            listed = await imports.rejections(connection, import_id)
        await asyncio.to_thread(rejected.write_bytes, imports.rejected_csv(row, listed))
    return 1 if rows["rejected"] else 0


def receipt_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document_id", type=UUID)
    parser.add_argument("--out", type=Path, help="file to write; standard output if left out")


def receipt(settings: Settings, chosen: argparse.Namespace) -> int:
    """The signed receipt of a document, as the service gives it."""
    if settings.signing_key_file is None:
        raise Invalid(
            "signing_key_missing", "Set APUDIAARI_SIGNING_KEY_FILE: a receipt is signed by the service's key."
        )
    signer = load_signing_key(settings.signing_key_file, ORIGIN)
    who = Principal(_user(), ISSUER, frozenset({Role.AUDITOR}))

    async def work(database: Database) -> int:
        made = await receipt_of(database, signer, who, chosen.document_id, synthetic=settings.synthetic)
        text = json.dumps(made, ensure_ascii=False, indent=1) + "\n"
        if chosen.out is None:
            sys.stdout.write(text)
        else:
            await asyncio.to_thread(chosen.out.write_text, text)
        return 0

    return _with_database(settings, work)


def _with_database(settings: Settings, work: Callable[[Database], Coroutine[Any, Any, int]]) -> int:
    async def run() -> int:
        database = Database(settings.database_url.get_secret_value(), pool_size=4, application="diary (operator)")
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def _user() -> str:
    return getpass.getuser()


COMMANDS = {
    "import": CliCommand("record the visits of a CSV file", import_arguments, import_file),
    "receipt": CliCommand("write the signed receipt of a document", receipt_arguments, receipt),
}
