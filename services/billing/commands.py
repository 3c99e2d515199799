"""Billing's own verbs: ``run``, ``explain``, ``reproduce``, ``recompute``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import uvloop

from services.billing import reading, verify
from services.billing.domain.money import amount_text, cents
from services.billing.handlers import log_spec
from services.billing.national import acting_for, run_many
from services.billing.reproduce import Reproduced, provider_of, providers_in_log, reproduce
from services.chassis.access import Action
from services.chassis.db import Database
from services.chassis.log import Writer
from services.chassis.service import CliCommand
from services.chassis.settings import Settings


def _with_database(settings: Settings, work: Callable[[Database], Awaitable[int]]) -> int:
    async def whole() -> int:
        database = Database(settings.database_url.get_secret_value(), pool_size=4, application="billing operator")
        try:
            return await work(database)
        finally:
            await database.close()

    return uvloop.run(whole())


# run


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--provider", help="one provider")
    who.add_argument("--all", action="store_true", help="every provider that has an agreement")
    parser.add_argument("--period", required=True, metavar="YYYY-MM", help="a month that is over")


def run(settings: Settings, chosen: argparse.Namespace) -> int:
    """Invoice one provider or all of them; 1 if any was refused."""

    async def work(database: Database) -> int:
        writer = Writer(database, log_spec(settings))
        began = time.perf_counter()
        many = await run_many(database, writer, chosen.period, None if chosen.all else [chosen.provider])
        seconds = time.perf_counter() - began
        for provider, refusal in sorted(many.refused.items()):
            print(f"{provider}: {refusal.code}: {refusal.detail}")
        documents = [each for outcome in many.outcomes.values() for each in outcome.answer["invoices"]]
        total = amount_text(sum(cents(each["total"]) for each in documents))
        print(f"{len(many.outcomes)} providers, {len(documents)} documents, {total} €, {seconds:.1f} s")
        return 1 if many.refused else 0

    return _with_database(settings, work)


# explain


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("invoice", type=UUID, help="invoice id")
    parser.add_argument("line", type=int, help="line number")


def explain(settings: Settings, chosen: argparse.Namespace) -> int:
    """A line down to its acts; 1 if it does not come out the same."""

    async def work(database: Database) -> int:
        async with database.snapshot() as connection:
            provider = await provider_of(connection, chosen.invoice)
            who = acting_for(provider)
            stored = await reading.one(connection, who, Action.EXPLAIN_INVOICE, chosen.invoice)
            found = await reading.explained(connection, stored.document, chosen.line)
        line, made = found.line, found.explained
        sign = -1 if line.reverses else 1
        print(f"{stored.document.number} line {line.line_no}: {line.item} {line.service_month} ({line.clause})")
        print(f"  agreement {line.agreement_id} version {line.agreement_version}, payer {stored.document.payer_id}")
        print(f"  {line.quantity} {line.unit} × {line.unit_price} € = {line.amount} €")
        if line.reverses:
            print(f"  takes back line {line.reverses.line_no} of {line.reverses.number}; its acts:")
        for row in made.acts.iter_rows(named=True):
            what = f"{row['authority']} {row['service']} {row['task']} {row['channel']} × {row['quantity']}"
            print(f"  {row['day']} {row['point']} visit {row['visit_id']} act {row['act_no']}: {what}")
        print(f"  computed anew: {sign * made.quantity} {line.unit}, {amount_text(sign * made.amount)} €")
        return 0 if made.agrees_with(found.source) else 1

    return _with_database(settings, work)


# reproduce


def _reproduce_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("invoice", nargs="?", type=UUID, help="the run that issued this document")
    what.add_argument("--provider", help="the provider's whole series")
    what.add_argument("--all", action="store_true", help="every series")


def reproduce_documents(settings: Settings, chosen: argparse.Namespace) -> int:
    """Compute documents anew from the log, acts and terms alone; 1 unless each is equal to the byte."""

    async def work(database: Database) -> int:
        async with database.snapshot() as connection:
            if chosen.invoice:
                providers = [await provider_of(connection, chosen.invoice)]
            else:
                providers = await providers_in_log(connection) if chosen.all else [chosen.provider]
            found = [each for provider in providers for each in await reproduce(connection, provider, chosen.invoice)]
        return _report(found, verbose=not chosen.all)

    return _with_database(settings, work)


def _report(found: list[Reproduced], *, verbose: bool) -> int:
    for each in found:
        if verbose or not each.equal:
            verdict = "equal to the byte" if each.equal else f"DIFFERS: made {each.made or 'nothing'}"
            print(f"{each.number} {each.total} € {each.recorded} {verdict}")
    differing = sum(not each.equal for each in found)
    print(f"{len(found)} documents reproduced from the log, {differing} differ")
    return 1 if differing or not found else 0


COMMANDS = {
    "run": CliCommand("invoice one provider or all of them for a month", _run_arguments, run),
    "explain": CliCommand("show the acts and terms behind a line", _explain_arguments, explain),
    "reproduce": CliCommand(
        "compute documents anew from the log and compare", _reproduce_arguments, reproduce_documents
    ),
    "recompute": CliCommand(
        "rebuild an invoice from an authority's own feed", verify.arguments, lambda _, chosen: verify.run(chosen)
    ),
}
