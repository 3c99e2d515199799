"""The diary's commands. ``HANDLERS`` at the foot is the whole reaction graph: payload → streams → decision.

The command of a new visit or document has the id of that visit or document, as has its target. Every decision asks
``access`` about the very point, provider and authorities concerned, since only the register knows them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import topics
from schemas.base import EventData
from schemas.diary import (
    DocumentForwarded,
    DocumentReceived,
    VisitCorrected,
    VisitFacts,
    VisitRecorded,
    VisitVoided,
)
from services.chassis import access, ids
from services.chassis.access import Action, Principal, Resource
from services.chassis.errors import NotFound
from services.chassis.evidence.canonical import canonical_json
from services.chassis.evidence.commitment import commit, new_key, paper_form_bytes, seal
from services.chassis.log.model import Command, Decision, Handler, LogSpec, NewEvent, Placed, StreamState
from services.chassis.settings import Settings
from services.diary import answers, metrics, store
from services.diary.context import BatchContext, DiaryContext
from services.diary.domain import copies, documents, visits
from services.diary.domain.documents import DocumentState
from services.diary.domain.entries import (
    CorrectVisit,
    ForwardDocument,
    ImportVisit,
    ReceiveDocument,
    RecordVisit,
    VisitEntry,
    VoidVisit,
)
from services.diary.domain.visits import VisitState
from services.diary.staff import staff_ref

States = Mapping[str, StreamState]
Decide = Callable[[bytes, Command, States, BatchContext, dt.datetime], Decision]
"""A decision given the secret of the feeds."""


class Secrets(NamedTuple):
    """What a received document leaves in the private store; made at the edge, so that deciding stays pure."""

    commitment: str
    subject_id: UUID
    subject_key: bytes
    sealed: bytes


# Commands, made from request bodies.


def visit_command(visit_id: UUID, entry: RecordVisit | ImportVisit, principal: Principal) -> Command:
    """``PUT /api/visits/{visit_id}``."""
    return Command.of(visit_id, entry, principal, target=str(visit_id))


def change_command(visit_id: UUID, change: CorrectVisit | VoidVisit, principal: Principal) -> Command:
    """``POST /api/visits/{visit_id}/corrections`` and ``/void``."""
    return Command.of(change.id, change, principal, target=str(visit_id))


def document_command(
    document_id: UUID, entry: ReceiveDocument, principal: Principal, content: bytes | None = None
) -> Command:
    """``PUT /api/documents/{document_id}``: commits to ``content``, or to the description of the paper.

    The file is not kept. Key and description are sealed under a fresh key of their own.
    """
    key, subject_key = new_key(), new_key()
    form = paper_form(entry)
    document = content if content is not None else paper_form_bytes(form)
    kept = {"key": key.hex(), "over": "file" if content is not None else "paper_form", "form": form}
    sealed = seal(subject_key, canonical_json(kept), sealed_place(document_id))
    secrets = Secrets(commit(key, document), uuid4(), subject_key, sealed)
    return Command.of(document_id, entry, principal, target=str(document_id), private=secrets)


def forward_command(document_id: UUID, entry: ForwardDocument, principal: Principal) -> Command:
    """``POST /api/documents/{document_id}/forwarded``."""
    return Command.of(entry.id, entry, principal, target=str(document_id))


def paper_form(entry: ReceiveDocument) -> dict[str, object]:
    """The description that a commitment is made over when the paper itself is not read."""
    described = entry.paper.model_dump(exclude_none=True) if entry.paper else {}
    return {"authority_id": entry.authority_id, "kind": entry.kind, **described}


def sealed_place(document_id: UUID) -> bytes:
    """Where a sealed description belongs: it opens nowhere else."""
    return f"private.documents\n{document_id}\nsealed".encode()


# Decisions.


def record_visit(
    action: Action, secret: bytes, command: Command, states: States, context: BatchContext, now: dt.datetime
) -> Decision:
    entry: VisitEntry = command.payload
    stream = f"visit:{command.target}"
    place = _require_at(action, command.principal, entry, context)
    recorder = staff_ref(secret, command.principal)
    event = visits.record(command.id, entry, place, states[stream].value, context.register, recorder, now)
    return Decision([_recorded(secret, stream, event)], answers.of_visit(command.target, event.visit))


def correct_visit(secret: bytes, command: Command, states: States, context: BatchContext, now: dt.datetime) -> Decision:
    payload: CorrectVisit = command.payload
    visit_id = UUID(command.target)
    state = states[f"visit:{visit_id}"]
    wanted = {act.authority_id for act in payload.visit.acts}
    _require_on(Action.RECORD_VISIT, command.principal, state.value, wanted)
    recorder = staff_ref(secret, command.principal)
    event = visits.correct(visit_id, payload, state.version, state.value, context.register, recorder, now)
    shown = copies.corrected(event, partial(ids.reference, secret))
    new = NewEvent(f"visit:{visit_id}", event.service_point_id, event.after.occurred_at, event, shown)
    return Decision([new], answers.of_visit(command.target, event.after))


def void_visit(secret: bytes, command: Command, states: States, context: BatchContext, now: dt.datetime) -> Decision:
    payload: VoidVisit = command.payload
    visit_id = UUID(command.target)
    state = states[f"visit:{visit_id}"]
    _require_on(Action.RECORD_VISIT, command.principal, state.value, set())
    event = visits.void(visit_id, payload, state.version, state.value, staff_ref(secret, command.principal))
    shown = copies.voided(event, partial(ids.reference, secret))
    new = NewEvent(f"visit:{visit_id}", event.service_point_id, event.before.occurred_at, event, shown)
    return Decision([new], answers.of_visit(command.target, None))


def receive_document(
    secret: bytes, command: Command, states: States, context: BatchContext, now: dt.datetime
) -> Decision:
    """Records the visit too, if the command carries it."""
    payload: ReceiveDocument = command.payload
    document_id = command.id
    recorder = staff_ref(secret, command.principal)
    visit: VisitState | None = states[f"visit:{payload.visit_id}"].value
    existing: DocumentState | None = states[f"document:{document_id}"].value
    events: list[NewEvent] = []
    recorded: VisitRecorded | None = None
    if payload.visit is not None and existing is None:
        entry = payload.visit
        place = _require_at(Action.RECORD_VISIT, command.principal, entry, context, "/visit")
        recorded = visits.record(payload.visit_id, entry, place, visit, context.register, recorder, now, "/visit")
        visit = visits.evolve(None, recorded)
        events.append(_recorded(secret, f"visit:{payload.visit_id}", recorded))
    visit = _reached(command.principal, payload.authority_id, visit)
    _require_document(command.principal, payload, visit)
    stamp = context.stamps.get(payload.stamp_id) if payload.stamp_id else None
    commitment = command.private.commitment
    event = documents.receive(document_id, payload, existing, visit, stamp, commitment, recorder, now)
    assert visit is not None
    shown = copies.document_received(event, visit.facts, partial(ids.reference, secret))
    events.append(NewEvent(f"document:{document_id}", event.service_point_id, event.received.latest, event, shown))
    answer = answers.of_document(command.target, event.coverage.status, recorded.visit if recorded else None)
    return Decision(events, answer)


def forward_document(
    secret: bytes, command: Command, states: States, context: BatchContext, now: dt.datetime
) -> Decision:
    payload: ForwardDocument = command.payload
    document_id = UUID(command.target)
    state = states[f"document:{document_id}"]
    existing: DocumentState | None = state.value
    if existing is not None and not access.may(command.principal, Action.RECORD_DOCUMENT, _concerned(existing)):
        existing = None  # A document that concerns others is as one that does not exist.
    recorder = staff_ref(secret, command.principal)
    event = documents.forward(document_id, payload, state.version, existing, recorder, now)
    assert existing is not None
    shown = copies.document_forwarded(event, existing.received)
    new = NewEvent(f"document:{document_id}", event.service_point_id, event.forwarded_at, event, shown)
    return Decision([new], answers.of_document(command.target, existing.received.coverage.status))


def _concerned(document: DocumentState) -> Resource:
    received = document.received
    return Resource(frozenset({received.authority_id}), received.provider_id, received.service_point_id)


def _recorded(secret: bytes, stream: str, event: VisitRecorded) -> NewEvent:
    shown = copies.recorded(event, partial(ids.reference, secret))
    return NewEvent(stream, event.service_point_id, event.visit.occurred_at, event, shown)


def _require_at(
    action: Action, principal: Principal, entry: VisitEntry, context: BatchContext, base: str = ""
) -> visits.Place:
    """The right to record at this point, for these authorities, on that day. An unknown point is nobody's secret."""
    place = visits.place_of(entry, context.register, base)
    authorities = frozenset([act.authority_id for act in entry.acts])
    access.require(principal, action, Resource(authorities, place.facts.provider_id, place.point.id))
    return place


def _require_on(action: Action, principal: Principal, state: VisitState | None, wanted: set[str]) -> None:
    """The right to change a visit, for every authority it concerns before and after.

    A visit that concerns others is as one that does not exist.
    """
    authorities = frozenset({act.authority_id for act in state.facts.acts}) if state else frozenset()
    concerned = Resource(authorities, state.provider_id, state.service_point_id) if state else None
    if concerned is None or not access.may(principal, action, concerned):
        raise NotFound("unknown_visit", "There is no such visit, or it is not yours to change.")
    access.require(principal, action, replace(concerned, authority_ids=authorities | wanted))


def _reached(principal: Principal, authority_id: str, visit: VisitState | None) -> VisitState | None:
    """The visit of a document. One that concerns others is as one that does not exist."""
    if visit is None:
        return None
    of_visit = frozenset(act.authority_id for act in visit.facts.acts)
    authorities = frozenset({authority_id}) if authority_id in of_visit else of_visit
    resource = Resource(authorities, visit.provider_id, visit.service_point_id)
    return visit if access.may(principal, Action.RECORD_DOCUMENT, resource) else None


def _require_document(principal: Principal, payload: ReceiveDocument, visit: VisitState | None) -> None:
    """The right to receive for this authority at the point of the visit; without a visit, at the point named."""
    provider = visit.provider_id if visit else None
    point = visit.service_point_id if visit else payload.service_point_id
    access.require(principal, Action.RECORD_DOCUMENT, Resource(frozenset({payload.authority_id}), provider, point))


# The diary's own tables, in the transaction of the events.


async def project(connection: AsyncConnection, placed: Sequence[Placed]) -> None:
    """Bring ``read`` and ``private`` to where the log is."""
    await store.put_visits(connection, _visit_rows(placed))
    received = [each for each in placed if isinstance(each.event.data, DocumentReceived)]
    await store.put_documents(connection, [_document_row(each) for each in received])
    sealed = [each for each in received if each.command.private is not None]  # A recovered log has no secrets.
    await store.put_sealed(connection, [_sealed_row(each) for each in sealed])
    forwarded = [each.event.data for each in placed if isinstance(each.event.data, DocumentForwarded)]
    await store.put_forwarded(connection, [(data.document_id, data.forwarded_at) for data in forwarded])
    metrics.count(placed)


def _visit_rows(placed: Sequence[Placed]) -> list[store.VisitRow]:
    """The last word on each visit; authorities of all of them, position of the first."""
    rows: dict[UUID, store.VisitRow] = {}
    for each in placed:
        data = each.event.data
        match data:
            case VisitRecorded():
                row = _visit_row(data, data.visit, each.position, voided=False)
            case VisitCorrected():
                row = _visit_row(data, data.after, each.position, voided=False)
            case VisitVoided():
                row = _visit_row(data, data.before, each.position, voided=True)
            case _:
                continue
        first = rows.get(row.visit_id)
        if first is not None:
            authorities = " ".join(sorted({*first.authorities.split(), *row.authorities.split()}))
            row = row._replace(position=first.position, authorities=authorities)
        rows[row.visit_id] = row
    return list(rows.values())


def _visit_row(
    data: VisitRecorded | VisitCorrected | VisitVoided, facts: VisitFacts, position: int, *, voided: bool
) -> store.VisitRow:
    authorities = " ".join(sorted({act.authority_id for act in facts.acts}))
    return store.VisitRow(
        data.visit_id, data.service_point_id, data.provider_id, facts.service_day, position, authorities, voided
    )


def _document_row(placed: Placed) -> store.DocumentRow:
    data = placed.event.data
    assert isinstance(data, DocumentReceived)
    return store.DocumentRow(
        data.document_id,
        data.visit_id,
        data.act_no,
        data.service_point_id,
        data.provider_id,
        data.authority_id,
        placed.position,
        data.stamp.stamp_id if data.stamp else None,
    )


def _sealed_row(placed: Placed) -> store.SealedRow:
    secrets: Secrets = placed.command.private
    return store.SealedRow(
        UUID(placed.command.target), secrets.subject_id, secrets.sealed, secrets.subject_key, placed.recorded
    )


def evolve(value: Any, event: EventData) -> VisitState | DocumentState:
    """Fold one event of whichever stream."""
    if isinstance(event, DocumentReceived | DocumentForwarded):
        return documents.evolve(value, event)
    return visits.evolve(value, event)


def _of_visit(command: Command) -> Sequence[str]:
    return (f"visit:{command.target}",)


def _of_document(command: Command) -> Sequence[str]:
    return (f"document:{command.target}",)


def _of_document_and_visit(command: Command) -> Sequence[str]:
    return (f"document:{command.target}", f"visit:{command.payload.visit_id}")


HANDLERS: Mapping[type[BaseModel], tuple[Callable[[Command], Sequence[str]], Decide]] = {
    RecordVisit: (_of_visit, partial(record_visit, Action.RECORD_VISIT)),
    ImportVisit: (_of_visit, partial(record_visit, Action.IMPORT_VISITS)),
    CorrectVisit: (_of_visit, correct_visit),
    VoidVisit: (_of_visit, void_visit),
    ReceiveDocument: (_of_document_and_visit, receive_document),
    ForwardDocument: (_of_document, forward_document),
}


def log_spec(settings: Settings) -> LogSpec:
    """The log of the diary, for the service and for bulk loads alike."""
    secret = settings.feed_secret_bytes
    return LogSpec(
        service="diary",
        topic=topics.DIARY,
        handlers={kind: Handler(streams, partial(decide, secret)) for kind, (streams, decide) in HANDLERS.items()},
        evolve=evolve,
        project=project,
        context=DiaryContext(),
    )
