"""What the deciders know beside their streams: the register as projected so far, and the stamps that a batch names.

Law: the register is cached by the position it was read at. Its tables only grow, each row under the position of its
event, so a cache at position P needs only the rows after P; another version of the projection begins anew.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.diary import DocumentReceived
from services.chassis.log.model import Command, Placed
from services.diary import metrics, register_rows, store
from services.diary.domain.documents import KnownStamp
from services.diary.domain.entries import ReceiveDocument
from services.diary.domain.register import (
    LAST_DAY,
    AgreementVersion,
    Names,
    Party,
    Point,
    PointFacts,
    Register,
    ServiceFacts,
    Succession,
)
from services.diary.register_tables import TABLES


@dataclass(slots=True)
class BatchContext:
    """The context of one batch: it follows the stamps that the batch itself uses."""

    register: Register
    stamps: dict[UUID, KnownStamp]

    def apply(self, placed: Placed) -> None:
        data = placed.event.data
        if isinstance(data, DocumentReceived) and data.stamp is not None and data.stamp.stamp_id in self.stamps:
            known = self.stamps[data.stamp.stamp_id]
            self.stamps[data.stamp.stamp_id] = replace(known, used=True)


class RegisterCache:
    """The register in memory, brought up to what is projected whenever it is asked for."""

    def __init__(self) -> None:
        self._known = register_rows.Known(0, 0)
        self._rows: dict[str, list[Any]] = _no_rows()
        self._register = Register()
        self._lock = asyncio.Lock()

    async def current(self, connection: AsyncConnection) -> Register:
        """The register as the connection sees it."""
        async with self._lock:
            known = await register_rows.register_position(connection)
            if known != self._known:
                await self._catch_up(connection, known)
            return self._register

    async def _catch_up(self, connection: AsyncConnection, known: register_rows.Known) -> None:
        onward = known.version == self._known.version and known.position > self._known.position
        rows = self._rows if onward else _no_rows()
        fresh = await register_rows.register_rows(connection, known, self._known.position if onward else 0)
        merged = {table: [*rows[table], *fresh[table]] for table in TABLES}
        self._register = register_of(known.position, merged)
        self._rows, self._known = merged, known
        metrics.REGISTER_POSITION.set(known.position)


class DiaryContext:
    """Context source of the log: one look at the register's position per batch, rows only when it moved."""

    def __init__(self) -> None:
        self.cache = RegisterCache()
        self.pages = RegisterCache()
        """For readers, so that none of them ever keeps the writer waiting."""

    async def load(self, connection: AsyncConnection, commands: Sequence[Command]) -> BatchContext:
        register = await self.cache.current(connection)
        wanted = {
            command.payload.stamp_id
            for command in commands
            if isinstance(command.payload, ReceiveDocument) and command.payload.stamp_id is not None
        }
        return BatchContext(register, await _stamps(connection, wanted) if wanted else {})

    def forget(self) -> None:
        """Nothing cached here stems from the transaction that failed."""


async def _stamps(connection: AsyncConnection, wanted: Iterable[UUID]) -> dict[UUID, KnownStamp]:
    rows = await store.stamps(connection, sorted(wanted))
    return {
        row.stamp_id: KnownStamp(row.stamp_id, row.service_point_id, row.recorder, row.stamped_at, row.used)
        for row in rows
    }


def register_of(position: int, rows: Mapping[str, Sequence[Any]]) -> Register:
    """The register out of the rows of the projection, in log order."""
    return Register(
        position=position,
        parties=_parties(rows),
        successions=tuple(_succession(row) for row in rows["successions"]),
        points=_points(rows),
        services=_services(rows["services"]),
        agreements=_agreements(rows["agreement_versions"]),
        ends={row.agreement_id: row.last_day for row in rows["agreement_ends"]},
    )


def _no_rows() -> dict[str, list[Any]]:
    return {table: [] for table in TABLES}


def _names(row: Any, since: dt.date) -> Names:
    return Names(since, row.name_fi, row.name_sv, row.name_en)


def _parties(rows: Mapping[str, Sequence[Any]]) -> dict[str, Party]:
    names: dict[str, list[Names]] = defaultdict(list)
    for row in rows["party_names"]:
        names[row.party_id].append(_names(row, row.effective_from))
    return {
        row.party_id: Party(
            row.party_id,
            row.kind,
            row.family,
            row.valid_from,
            tuple(sorted(names[row.party_id], key=lambda each: each.since)),
        )
        for row in rows["parties"]
    }


def _succession(row: Any) -> Succession:
    area = frozenset(row.municipalities.split()) if row.municipalities else None
    return Succession(row.party_id, row.successor_id, row.effective_from, area)


def _points(rows: Mapping[str, Sequence[Any]]) -> dict[str, Point]:
    versions: dict[str, list[PointFacts]] = defaultdict(list)
    for row in rows["points"]:
        versions[row.service_point_id].append(
            PointFacts(
                row.position,
                row.effective_from,
                row.provider_id,
                row.municipality_code,
                _names(row, row.effective_from),
                row.open_from,
            )
        )
    closed = {row.service_point_id: row for row in rows["point_closures"]}
    return {
        point_id: Point(
            point_id,
            (found[0], *sorted(found[1:], key=lambda each: each.effective_from)),
            closed[point_id].last_day if point_id in closed else LAST_DAY,
            closed[point_id].successor_id if point_id in closed else None,
        )
        for point_id, found in versions.items()
    }


def _services(rows: Sequence[Any]) -> dict[tuple[str, str], tuple[ServiceFacts, ...]]:
    found: dict[tuple[str, str], list[ServiceFacts]] = defaultdict(list)
    for row in rows:
        found[row.authority_id, row.code].append(
            ServiceFacts(
                row.position,
                row.authority_id,
                row.code,
                _names(row, row.valid_from),
                tuple(row.tasks.split()),
                row.standard,
                row.valid_from,
                row.valid_until or LAST_DAY,
            )
        )
    return {key: tuple(sorted(each, key=lambda service: service.valid_from)) for key, each in found.items()}


def _agreements(rows: Sequence[Any]) -> dict[UUID, tuple[AgreementVersion, ...]]:
    found: dict[UUID, list[AgreementVersion]] = defaultdict(list)
    for row in rows:
        found[row.agreement_id].append(
            AgreementVersion(
                row.position,
                row.agreement_id,
                row.version,
                row.provider_id,
                tuple(row.commissioner_ids.split()),
                tuple(row.service_point_ids.split()),
                row.valid_from,
                row.valid_until or LAST_DAY,
                row.effective_from,
                frozenset(row.tasks.split()),
                frozenset(_pair(each) for each in row.services.split()),
            )
        )
    return {key: tuple(sorted(each, key=lambda version: version.version)) for key, each in found.items()}


def _pair(text: str) -> tuple[str, str]:
    authority, _, code = text.partition(":")
    return authority, code
