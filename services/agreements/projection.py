"""Read tables from the log's own events, written in the transaction that appends them.

Law: a fold may be repeated without changing anything, and all that is shown can be made again from the log. The
service consumes nothing of others, so it has no projection over Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import agreements as events
from schemas.base import EventData, Names
from services.agreements import store
from services.agreements.domain.register import Register
from services.agreements.domain.sides import end_of, parties_since, waiting_for
from services.chassis.clock import helsinki_day
from services.chassis.log import Placed

Rows = dict[str, Any]


def _party(placed: Placed, event: events.PartyRegistered) -> Rows:
    kept = ("kind", "family", "business_id", "municipality_code", "valid_from")
    return {"party_id": event.party_id, "position": placed.position, **event.party.model_dump(include=set(kept))}


def _first_name(placed: Placed, event: events.PartyRegistered) -> Rows:
    return _name_row(placed, event.party_id, event.party.valid_from, event.party.names)


def _other_name(placed: Placed, event: events.PartyRenamed) -> Rows:
    return _name_row(placed, event.party_id, event.effective_from, event.names)


def _name_row(placed: Placed, party_id: str, since: object, names: Names) -> Rows:
    return {
        "party_id": party_id, "position": placed.position, "effective_from": since,
        "names": names.model_dump(exclude_none=True),
    }  # fmt: skip


def _succession(placed: Placed, event: events.PartySucceeded) -> Rows:
    return {"position": placed.position, **event.model_dump()}


def _first_point(placed: Placed, event: events.ServicePointRegistered) -> Rows:
    return _point_row(placed, event.service_point_id, event.point.open_from, event.point)


def _changed_point(placed: Placed, event: events.ServicePointChanged) -> Rows:
    return _point_row(placed, event.service_point_id, event.effective_from, event.point)


def _point_row(placed: Placed, point_id: str, since: object, point: events.ServicePoint) -> Rows:
    return {
        "service_point_id": point_id, "position": placed.position, "effective_from": since,
        "provider_id": point.provider_id, "municipality_code": point.municipality_code,
        "point": point.model_dump(mode="json"),
    }  # fmt: skip


def _with_position(placed: Placed, event: EventData) -> Rows:
    return {"position": placed.position, **event.model_dump(mode="json")}


def _version(placed: Placed, event: events.AgreementProposed) -> Rows:
    return {
        **event.model_dump(mode="json"),
        "proposed_position": placed.position,
        "proposed_at": placed.recorded,
        "known_position": None,
        "known_at": None,
    }


def _recorded(placed: Placed, event: EventData) -> Rows:
    return {**event.model_dump(mode="json"), "position": placed.position, "recorded_at": placed.recorded}


TABLES: tuple[tuple[type[EventData], sa.Table, Callable[[Placed, Any], Rows]], ...] = (
    (events.PartyRegistered, store.parties, _party),
    (events.PartyRegistered, store.party_names, _first_name),
    (events.PartyRenamed, store.party_names, _other_name),
    (events.PartySucceeded, store.successions, _succession),
    (events.ServicePointRegistered, store.points, _first_point),
    (events.ServicePointChanged, store.points, _changed_point),
    (events.ServicePointClosed, store.point_closings, _with_position),
    (events.ServiceDefined, store.services, _with_position),
    (events.AgreementProposed, store.versions, _version),
    (events.AgreementApproved, store.approvals, _recorded),
    (events.AgreementTerminated, store.terminations, _recorded),
)
"""Which event makes which row."""


async def project(connection: AsyncConnection, placed: Sequence[Placed], register: Register) -> None:
    """Write what ``placed`` changed; ``register`` holds all of it already."""
    for kind, table, row in TABLES:
        rows = [row(each, each.event.data) for each in placed if type(each.event.data) is kind]
        await store.insert_new(connection, table, rows)
    await store.make_known(connection, [_known(each) for each in placed if _came_into_force(each.event.data)])
    await _agreements(connection, placed, register)


def _came_into_force(event: EventData) -> bool:
    return isinstance(event, events.AgreementSigned | events.AgreementAmended)


def _known(placed: Placed) -> Rows:
    event = placed.event.data
    assert isinstance(event, events.AgreementSigned | events.AgreementAmended)
    return {
        "agreement_id": event.agreement_id, "version": event.version,
        "known_position": placed.position, "known_at": placed.recorded,
    }  # fmt: skip


async def _agreements(connection: AsyncConnection, placed: Sequence[Placed], register: Register) -> None:
    """The one row of each agreement that was touched. A succession may touch any of them."""
    touched: Iterable[UUID]
    if any(isinstance(each.event.data, events.PartySucceeded) for each in placed):
        touched = list(register.agreements)
    else:
        touched = {data.agreement_id for each in placed if isinstance(data := each.event.data, events._OfAgreement)}
    today = helsinki_day(placed[-1].recorded)
    await store.put(connection, store.agreements, [_agreement(register, each, today) for each in touched])
    await store.replace_parties(connection, touched, [row for each in touched for row in _parties(register, each)])


def _agreement(register: Register, agreement_id: UUID, today: Any) -> Rows:
    record = register.agreements[agreement_id]
    waiting = waiting_for(register, record.versions[record.open_version], today) if record.open_version else []
    return {
        "agreement_id": agreement_id,
        **record.agreement.model_dump(
            mode="json", include={"provider_id", "commissioner_ids", "service_point_ids", "valid_from"}
        ),
        "ends": end_of(register, record),
        "newest_in_force": max((each.version for each in record.in_force), default=None),
        "open_version": record.open_version,
        "waiting_for": waiting,
    }


def _parties(register: Register, agreement_id: UUID) -> Iterable[Rows]:
    since = parties_since(register, register.agreements[agreement_id].agreement)
    return ({"agreement_id": agreement_id, "party_id": each, "since": day} for each, day in since.items())
