"""A run from request to answer: read, compute, append; compute again if another run came between.

Law: the numbers of a run depend on nothing but its snapshot. Whoever loses the race for the provider's stream throws
its work away and begins anew; whoever repeats a request gets the first answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from weakref import WeakValueDictionary

from prometheus_client import Counter, Histogram

from schemas import topics
from services.billing import store
from services.billing.domain.periods import is_over
from services.billing.domain.runs import settle
from services.billing.known import Chain, Standing, read_known, standing
from services.billing.payloads import AtLeast, CloseRun, RunRequest, closing_command, run_digest
from services.chassis.access import Action, Principal, Resource, require
from services.chassis.clock import helsinki_day, now
from services.chassis.db import Database
from services.chassis.errors import ApudiaariError, Conflict, FieldError, Invalid
from services.chassis.log import Outcome, Writer
from services.chassis.log.store import known_commands
from services.chassis.projection.registry import PartitionPosition

MAX_ATTEMPTS = 5
DOCUMENTS = Counter("apudiaari_billing_documents", "Documents issued", ["kind"])
RUNS = Counter("apudiaari_billing_runs", "Billing runs by outcome", ["outcome"])
_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""Within a process, runs of one provider wait for each other instead of computing in vain; between processes the
stream's version decides.
"""
RUN_SECONDS = Histogram("apudiaari_billing_run_seconds", "Time of a run, from request to commit")


async def run(database: Database, writer: Writer, principal: Principal, request: RunRequest) -> Outcome:
    """Invoice one provider for one month.

    Raises ``period_open``, ``projection_behind``, ``projection_halted``, ``run_overtaken``, ``id_reused``.
    """
    started = time.perf_counter()
    require(principal, Action.RUN_BILLING, Resource(provider_id=request.provider_id))
    try:
        async with _locks.setdefault(request.provider_id, asyncio.Lock()):
            outcome = await _attempts(database, writer, principal, request)
    except ApudiaariError as refusal:
        RUNS.labels(refusal.code).inc()
        raise
    RUN_SECONDS.observe(time.perf_counter() - started)
    count(outcome)
    return outcome


def count(outcome: Outcome) -> None:
    """Business metrics of a finished run."""
    RUNS.labels("repeated" if outcome.repeated else "closed").inc()
    for document in () if outcome.repeated else outcome.answer["invoices"]:
        DOCUMENTS.labels(document["kind"]).inc()


async def _attempts(database: Database, writer: Writer, principal: Principal, request: RunRequest) -> Outcome:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        if (answered := await _answered(database, request)) is not None:
            return answered
        (computed,) = await compute(database, [request])
        try:
            return await writer.submit(closing_command(request, principal, computed))
        except Conflict as conflict:
            if conflict.code != "run_overtaken" or attempt == MAX_ATTEMPTS:
                raise
    raise AssertionError("the loop returns or raises")


async def _answered(database: Database, request: RunRequest) -> Outcome | None:
    async with database.reading() as connection:
        known = await known_commands(connection, [request.id])
    if request.id not in known:
        return None
    digest, answer = known[request.id]
    if digest != run_digest(request):
        raise Conflict("id_reused", "This id was used for another request. Make a new id.", pointer="/id")
    return Outcome(answer, True)


async def compute(database: Database, requests: Sequence[RunRequest]) -> list[CloseRun]:
    """Compute runs of one period for several providers, from one snapshot."""
    period = requests[0].period
    if not is_over(period, helsinki_day(now())):
        raise Invalid("period_open", f"{period} is not over yet: invoice it from the next month on.", pointer="/period")
    providers = [request.provider_id for request in requests]
    async with database.snapshot() as connection:
        stand = await standing(connection)
        chain = Chain(await store.series(connection, providers))
        for request in requests:
            _require_known(stand, request.at_least)
            diary, agreements = chain.series[request.provider_id].latest
            _require_known(stand, AtLeast(diary=diary, agreements=agreements))
        versions = await store.stream_versions(connection, providers)
        known = await read_known(connection, providers, period, stand.cut_offs, chain)
    settled = await asyncio.to_thread(settle, known, period, {r.provider_id: r.id for r in requests})
    return [
        CloseRun(
            run_id=request.id,
            provider_id=request.provider_id,
            period=period,
            cut_offs=stand.cut_offs,
            opens=known.openings[request.provider_id],
            expected_version=versions[request.provider_id],
            drafts=settled[request.provider_id].drafts,
            unbilled=settled[request.provider_id].unbilled,
        )
        for request in requests
    ]


def _require_known(stand: Standing, wanted: AtLeast) -> None:
    """Refuse to invoice while something is unreadable, or on less than the caller, or an earlier run, knew."""
    needed = {topics.DIARY.name: wanted.diary, topics.AGREEMENTS.name: wanted.agreements}
    if stand.halted:
        raise Conflict(
            "projection_halted",
            "Billing stopped at a record that it cannot read. Nothing is invoiced until that is settled.",
            errors=tuple(_where(part, "projection_halted", part.reason) for part in stand.halted),
        )
    behind = [part for part in stand.partitions if part.sealed < needed.get(part.topic, 0)]
    if behind:
        raise Conflict(
            "projection_behind",
            "Billing has not yet seen everything that the run must know. Try again shortly.",
            errors=tuple(
                _where(part, "projection_behind", f"sealed up to {part.sealed}, needed {needed[part.topic]}")
                for part in behind
            ),
        )


def _where(part: PartitionPosition, code: str, detail: str) -> FieldError:
    return FieldError(f"/partitions/{part.topic}/{part.partition}", code, detail)
