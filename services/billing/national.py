"""Many providers at once: one snapshot and one append for up to 256 of them, so that a national month takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.billing import CutOffs
from services.billing.known import standing
from services.billing.payloads import RunRequest, closing_command
from services.billing.projection import NAME
from services.billing.running import RUNS, compute, count
from services.chassis.access import Principal, Role
from services.chassis.db import Database
from services.chassis.errors import ApudiaariError
from services.chassis.log import Outcome, Writer
from services.chassis.log.append import Result
from services.chassis.log.writer import MAX_BATCH
from services.chassis.projection import active_schema


class Many(NamedTuple):
    """What became of a run over many providers: outcomes and refusals by provider."""

    outcomes: dict[str, Outcome]
    refused: dict[str, ApudiaariError]


async def run_many(database: Database, writer: Writer, period: str, providers: Sequence[str] | None = None) -> Many:
    """Invoice many providers (all that have an agreement if none are named): grouped reads, one append per 256."""
    async with database.reading() as connection:
        stand = await standing(connection)
        chosen = list(providers) if providers is not None else await providers_known(connection)
    many = Many({}, {})
    for start in range(0, len(chosen), MAX_BATCH):
        requests = [
            _national_request(provider, period, stand.cut_offs) for provider in chosen[start : start + MAX_BATCH]
        ]
        await _run_batch(database, writer, requests, many)
    return many


def _national_request(provider: str, period: str, cut_offs: CutOffs) -> RunRequest:
    """The same knowledge makes the same id, so that an interrupted national run can be started again."""
    name = f"{provider}/{period}/{cut_offs.diary}/{cut_offs.agreements}"
    return RunRequest(id=uuid5(_NATIONAL, name), provider_id=provider, period=period)


async def _run_batch(database: Database, writer: Writer, requests: Sequence[RunRequest], many: Many) -> None:
    computed = await compute(database, requests)
    pairs = zip(requests, computed, strict=True)
    results = await writer.append([closing_command(r, acting_for(r.provider_id), run) for r, run in pairs])
    for request, result in zip(requests, results, strict=True):
        _keep(many, request.provider_id, result)


def _keep(many: Many, provider: str, result: Result) -> None:
    if isinstance(result, Outcome):
        count(result)
        many.outcomes[provider] = result
    else:
        RUNS.labels(result.code).inc()
        many.refused[provider] = result


def acting_for(provider: str) -> Principal:
    """The operator's command line, acting for a provider."""
    return Principal("cli", "local", frozenset({Role.PROVIDER}), party_id=provider)


async def providers_known(connection: AsyncConnection) -> list[str]:
    """Providers that have, or had, a signed agreement."""
    schema = await active_schema(connection, NAME)
    rows = await connection.execute(text(f"SELECT DISTINCT provider FROM {schema}.agreement_versions ORDER BY 1"))
    return [row.provider for row in rows]


_NATIONAL = UUID("0d5c1f0e-6f1b-5f0e-8a53-5a6a6f2f7b11")
