"""What pages and forms load of one agreement, for somebody who may see it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.agreements import queries
from services.agreements.presenting import Words
from services.agreements.queries import AgreementRows
from services.chassis import access, clock
from services.chassis.access import Action, Principal, Resource


@dataclass(frozen=True, slots=True)
class Loaded:
    rows: AgreementRows
    words: Words


def today() -> dt.date:
    """The present day in Helsinki."""
    return clock.helsinki_day(clock.now())


async def load(
    connection: AsyncConnection, request: Request, who: Principal, agreement_id: UUID, day: dt.date
) -> Loaded:
    """The agreement with names as of ``day``. To whom it is not a party's it does not exist (404)."""
    rows = await queries.agreement(connection, agreement_id, today())
    access.require(who, Action.READ_AGREEMENT, Resource(party_ids=rows.party_ids if rows else frozenset()))
    if rows is None:
        raise access.refusal(who, secret=True)
    return Loaded(rows, await words_of(connection, request, day, services=True))


async def words_of(connection: AsyncConnection, request: Request, day: dt.date, *, services: bool = False) -> Words:
    """Names of everybody and every point on a day; of services where they are shown."""
    points = {row["service_point_id"]: row for row in await queries.points(connection, day)}
    catalogue = await queries.services(connection, day) if services else []
    return Words(
        request.app.state.web,
        request,
        await queries.names(connection, day),
        points,
        {f"{row['authority_id']}:{row['code']}": row["names"] for row in catalogue},
    )
