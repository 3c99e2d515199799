"""What a run rests on, read in one snapshot: acts, terms and invoiced lines at sealed cut-offs.

Nothing here decides anything; the reads are grouped, so that the runs of many providers cost one read of each kind.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
import polars as pl
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import topics
from schemas.billing import CutOffs
from services.billing import store
from services.billing.domain.periods import month_of
from services.billing.domain.rating import ACTS
from services.billing.domain.runs import Known
from services.billing.domain.scope import Reach, Scope, Touched, scope_of
from services.billing.domain.series import Series
from services.billing.domain.terms import Book, PointFact, Succession, Termination, Version, version_from
from services.billing.projection import NAME
from services.chassis.projection import registry
from services.chassis.projection.registry import PartitionPosition, active_schema, active_version


class Standing(NamedTuple):
    """Where billing's projection stands: its cut-offs, and every partition for those who must be told."""

    cut_offs: CutOffs
    partitions: list[PartitionPosition]

    @property
    def halted(self) -> list[PartitionPosition]:
        return [part for part in self.partitions if part.state in {"halted", "forked"}]


async def standing(connection: AsyncConnection) -> Standing:
    """The sealed position of each source: everything of its log up to there is in, in every partition."""
    partitions = await registry.partitions(connection, NAME, await active_version(connection, NAME))
    sealed = {
        topic.name: min((part.sealed for part in partitions if part.topic == topic.name), default=0)
        for topic in (topics.DIARY, topics.AGREEMENTS)
    }
    return Standing(CutOffs(diary=sealed[topics.DIARY.name], agreements=sealed[topics.AGREEMENTS.name]), partitions)


@dataclass(frozen=True, slots=True)
class Chain:
    """What is invoiced already: the providers' series, and how their lines in given scopes are read."""

    series: Mapping[str, Series]
    lines: pl.DataFrame | None = None
    """All lines when they were folded from the log (``reproduce``); None reads the read tables."""

    async def billed(self, connection: AsyncConnection, scopes: Sequence[Scope]) -> pl.DataFrame:
        return await store.billed(connection, scopes) if self.lines is None else self.lines


async def read_known(
    connection: AsyncConnection,
    providers: Sequence[str],
    period: str,
    cut_offs: CutOffs,
    chain: Chain,
    *,
    supposing: Callable[[Book], Book] = lambda book: book,
) -> Known:
    """Everything that a run of ``providers`` for ``period`` rests on; ``supposing`` adds to the terms."""
    schema = await active_schema(connection, NAME)
    terms = supposing(await read_book(connection, schema, cut_offs.agreements, providers))
    earliest = await _earliest(connection, schema, providers, cut_offs.diary)
    openings = await _openings(connection, schema, chain.series, period, cut_offs.diary)
    touched = await _touched(connection, schema, chain.series, cut_offs.diary)
    scopes = {
        provider: scope_of(
            provider,
            period,
            chain.series[provider],
            openings[provider],
            touched.get(provider, ()),
            earliest.get(provider),
            terms,
        )
        for provider in providers
    }
    return Known(
        cut_offs=cut_offs,
        acts=await read_acts(connection, schema, scopes.values(), cut_offs.diary),
        billed=await chain.billed(connection, list(scopes.values())),
        book=terms,
        scopes=scopes,
        openings=openings,
        feeds=await _feeds(connection, schema, terms, providers, cut_offs.diary),
    )


# Acts


async def read_acts(connection: AsyncConnection, schema: str, scopes: Iterable[Scope], cut_off: int) -> pl.DataFrame:
    """The acts of the scopes as known at the cut-off, by COPY: a row object for each would cost ten times as much."""
    reaches = [reach for scope in scopes for reach in scope.reaches()]
    return await copied(connection, acts_query(schema, reaches, cut_off, ACTS), ACTS)


def acts_query(schema: str, reaches: Sequence[Reach], cut_off: int, columns: Iterable[str]) -> str:
    """Acts of the reaches at a cut-off, columns in the order asked for."""
    return f"""
        SELECT {", ".join(f"a.{name}" for name in columns)} FROM {_values(reaches)}
        JOIN {schema}.acts a ON a.provider = s.provider AND a.day BETWEEN s.first AND s.last
         AND (s.authority IS NULL OR a.authority = s.authority)
        WHERE a.position <= {int(cut_off)}
    """


def _values(reaches: Sequence[Reach]) -> str:
    """A VALUES list: COPY takes no parameters. Every text is an id of a checked pattern, quoted all the same."""
    rows = (
        f"({_quoted(r.provider)}, {_quoted(r.authority)}, date '{r.first.isoformat()}', date '{r.last.isoformat()}')"
        for r in reaches
    )
    return f"(VALUES {', '.join(rows)}) AS s (provider, authority, first, last)"


def _quoted(value: str | None) -> str:
    return "CAST(NULL AS text)" if value is None else "'" + value.replace("'", "''") + "'"


async def copied(connection: AsyncConnection, query: str, columns: Mapping[str, Any]) -> pl.DataFrame:
    """The rows of a query, by COPY in the connection's transaction, as a frame of ``columns``."""
    await connection.execute(text("SELECT 1"))  # The driver begins its transaction with the first statement.
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    buffer = io.BytesIO()
    await driver.copy_from_query(query, output=buffer, format="csv")
    if not buffer.tell():
        return pl.DataFrame(schema=columns)
    buffer.seek(0)
    return pl.read_csv(buffer, has_header=False, schema=columns)


async def _earliest(connection: AsyncConnection, schema: str, providers: Sequence[str], cut_off: int) -> dict[str, str]:
    """First month in which each provider has an act."""
    rows = await connection.execute(
        text(
            "SELECT p.provider, first.day FROM unnest(CAST(:providers AS text[])) AS p (provider), "
            f"LATERAL (SELECT a.day FROM {schema}.acts a WHERE a.provider = p.provider AND a.position <= :cut_off "
            "ORDER BY a.day LIMIT 1) AS first"
        ),
        {"providers": list(providers), "cut_off": cut_off},
    )
    return {row.provider: month_of(row.day) for row in rows}


async def _openings(
    connection: AsyncConnection, schema: str, series: Mapping[str, Series], period: str, cut_off: int
) -> dict[str, str]:
    """First month of fixed fees: as the first run settled it, else that of the first act by order of recording."""
    openings = {provider: each.opens or period for provider, each in series.items()}
    rows = await connection.execute(
        text(
            "SELECT p.provider, first.day FROM unnest(CAST(:providers AS text[])) AS p (provider), LATERAL "
            f"(SELECT a.day FROM {schema}.acts a WHERE a.provider = p.provider AND a.position <= :cut_off "
            "ORDER BY a.position, a.act_no LIMIT 1) AS first"
        ),
        {"providers": [provider for provider, each in series.items() if not each.opens], "cut_off": cut_off},
    )
    return openings | {row.provider: min(openings[row.provider], month_of(row.day)) for row in rows}


async def _touched(
    connection: AsyncConnection, schema: str, series: Mapping[str, Series], cut_off: int
) -> dict[str, list[Touched]]:
    """Months and authorities of the acts recorded, corrected or voided since each provider's last run."""
    since = {provider: each.known[0] for provider, each in series.items() if each.closings}
    rows = await connection.execute(
        text(
            "SELECT DISTINCT s.provider, a.authority, date_trunc('month', a.day)::date AS month "
            "FROM unnest(CAST(:providers AS text[]), CAST(:since AS bigint[])) AS s (provider, since) "
            f"JOIN {schema}.acts a ON a.provider = s.provider AND a.position > s.since AND a.position <= :cut_off"
        ),
        {"providers": list(since), "since": list(since.values()), "cut_off": cut_off},
    )
    found: dict[str, list[Touched]] = {}
    for row in rows:
        found.setdefault(row.provider, []).append(Touched(row.authority, month_of(row.month)))
    return found


async def _feeds(
    connection: AsyncConnection, schema: str, book: Book, providers: Sequence[str], cut_off: int
) -> dict[tuple[str, str], int]:
    """Last entry of each payer's own feed among a provider's acts known at the cut-off (B13)."""
    pairs = sorted({pair for version in book.versions for pair in _payers(version, book)})
    rows = await connection.execute(
        text(
            "SELECT p.provider, p.authority, last.sequence FROM "
            "unnest(CAST(:providers AS text[]), CAST(:authorities AS text[])) AS p (provider, authority), "
            f"LATERAL (SELECT a.sequence FROM {schema}.acts a WHERE a.provider = p.provider "
            "AND a.authority = p.authority AND a.position <= :cut_off AND a.sequence IS NOT NULL "
            "ORDER BY a.position DESC LIMIT 1) AS last"
        ),
        {
            "providers": [provider for provider, _ in pairs],
            "authorities": [authority for _, authority in pairs],
            "cut_off": cut_off,
        },
    )
    return {(row.provider, row.authority): row.sequence for row in rows}


def _payers(version: Version, book: Book) -> set[tuple[str, str]]:
    named = {*version.commissioner_ids, *(price.payer_id for price in version.prices if price.payer_id)}
    return {(version.provider_id, heir) for party in named for heir in book.family_of(party)}


# Terms


async def read_book(
    connection: AsyncConnection, schema: str, cut_off: int, providers: Sequence[str] | None = None
) -> Book:
    """The terms known at the cut-off; of all providers if none are named."""
    values = {"cut_off": cut_off, "providers": None if providers is None else list(providers)}
    versions = await connection.execute(
        text(
            f"SELECT * FROM {schema}.agreement_versions WHERE position <= :cut_off AND "
            "(CAST(:providers AS text[]) IS NULL OR provider = ANY(CAST(:providers AS text[]))) ORDER BY position"
        ),
        values,
    )
    terminations = await connection.execute(
        text(f"SELECT position, agreement_id, last_day FROM {schema}.terminations WHERE position <= :cut_off"), values
    )
    successions = await connection.execute(
        text(f"SELECT * FROM {schema}.successions WHERE position <= :cut_off ORDER BY position"), values
    )
    points = await connection.execute(
        text(f"SELECT position, point_id, municipality FROM {schema}.points WHERE position <= :cut_off"), values
    )
    return Book(
        versions=[version_of(row) for row in versions],
        terminations=[Termination(row.position, str(row.agreement_id), row.last_day) for row in terminations],
        successions=[
            Succession(
                row.position,
                row.party_id,
                row.successor_id,
                row.effective_from,
                frozenset((row.municipalities or "").split()),
            )
            for row in successions
        ],
        points=[PointFact(*row) for row in points],
    )


def version_of(row: Any) -> Version:
    """A row of ``agreement_versions`` as terms."""
    return version_from(str(row.agreement_id), row.version, row.position, row.effective_from, orjson.loads(row.body))
