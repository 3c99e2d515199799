"""One handler per command: rights, streams, the authorities' copies and the answer; the decisions are :mod:`.domain`'s.

The reaction graph is the dict at the foot.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import agreements as events
from schemas import authority as copies
from schemas.base import EventData
from schemas.envelope import rfc3339
from schemas.topics import AGREEMENTS
from services.agreements import metrics, projection
from services.agreements.context import RegisterSource
from services.agreements.domain import agreements, parties, points
from services.agreements.domain import commands as wish
from services.agreements.domain.register import Register
from services.agreements.domain.sides import authorities_on, waiting_for
from services.agreements.domain.terms import missing_items
from services.agreements.domain.timeline import superseded_by
from services.chassis import access, ids
from services.chassis.access import Action, Resource
from services.chassis.clock import helsinki, helsinki_day
from services.chassis.log import Command, Decision, Handler, LogSpec, NewEvent, Placed
from services.chassis.settings import Settings

States = Mapping[str, Any]
COPIES: dict[type[EventData], type[EventData]] = {
    events.AgreementProposed: copies.AuthorityAgreementProposed,
    events.AgreementApproved: copies.AuthorityAgreementApproved,
    events.AgreementSigned: copies.AuthorityAgreementSigned,
    events.AgreementAmended: copies.AuthorityAgreementAmended,
    events.AgreementTerminated: copies.AuthorityAgreementTerminated,
}
"""What an authority sees of an event that concerns it. The register itself is not copied: it is open to all."""


def _answer(placed: Sequence[Placed], **facts: Any) -> dict[str, Any]:
    if not placed:
        return facts
    last = placed[-1]
    return {**facts, "event_id": str(last.id), "position": last.position, "recorded_at": rfc3339(last.recorded)}


def _register_event(command: Command, stream: str, event: EventData, now: dt.datetime, **facts: Any) -> Decision:
    new = NewEvent(stream, stream, helsinki(now), event)
    return Decision([new], lambda placed: _answer(placed, **facts))


def _party_stream(command: Command) -> list[str]:
    return [f"party:{command.target}"]


def _decide_party(decide: Callable[[Register, str, Any], EventData]) -> Handler:
    def decided(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
        access.require(command.principal, Action.MANAGE_PARTIES)
        event = decide(context.register, command.target, command.payload)
        return _register_event(command, f"party:{command.target}", event, now, party_id=command.target)

    return Handler(_party_stream, decided)


def _point_stream(command: Command) -> list[str]:
    return [f"point:{command.target}"]


def _register_point(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
    point: wish.RegisterPoint = command.payload
    access.require(command.principal, Action.MANAGE_POINTS, Resource(provider_id=point.provider_id))
    event = points.register_point(context.register, command.target, point, helsinki_day(now))
    return _register_event(command, f"point:{command.target}", event, now, service_point_id=command.target)


def _change_point(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
    today = helsinki_day(now)
    _require_keeper(command, context.register, today)
    event = points.change_point(context.register, command.target, command.payload, today)
    return _register_event(command, f"point:{command.target}", event, now, service_point_id=command.target)


def _close_point(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
    _require_keeper(command, context.register, helsinki_day(now))
    event = points.close_point(context.register, command.target, command.payload)
    return _register_event(command, f"point:{command.target}", event, now, service_point_id=command.target)


def _require_keeper(command: Command, register: Register, today: dt.date) -> None:
    """The point's provider as recorded, or who succeeded it."""
    record = points.known_point(register, command.target)
    provider = register.holder(record.on(today).provider_id, record.municipality_code, today)
    access.require(command.principal, Action.MANAGE_POINTS, Resource(provider_id=provider))


def _service_stream(command: Command) -> list[str]:
    return [f"service:{command.target}"]


def _define_service(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
    authority_id, _, code = command.target.partition(":")
    access.require(command.principal, Action.MANAGE_SERVICES, Resource(authority_ids=frozenset({authority_id})))
    event = points.define_service(context.register, authority_id, code, command.payload)
    facts = {"authority_id": authority_id, "code": code}
    return _register_event(command, f"service:{command.target}", event, now, **facts)


def _agreement_stream(command: Command) -> list[str]:
    return [f"agreement:{command.target}"]


def _agreement_events(
    command: Command, register: Register, decided: Sequence[EventData], agreement: events.Agreement, now: dt.datetime
) -> list[NewEvent]:
    """The events with a copy for each commissioner and who has succeeded it."""
    stream = f"agreement:{command.target}"
    seen_by = sorted(authorities_on(register, agreement, helsinki_day(now)))
    return [
        NewEvent(stream, stream, helsinki(now), event, {authority: _copy(event) for authority in seen_by})
        for event in decided
    ]


def _copy(event: EventData) -> EventData:
    model = COPIES[type(event)]
    return model.model_construct(**{name: getattr(event, name) for name in model.model_fields})


def _proposed(command: Command, register: Register, event: EventData, now: dt.datetime, **facts: Any) -> Decision:
    assert isinstance(event, events.AgreementProposed)
    new = _agreement_events(command, register, [event], event.agreement, now)
    facts = {
        "agreement_id": command.target,
        "version": event.version,
        "state": "draft",
        "missing_items": missing_items(event.terms),
        **facts,
    }
    return Decision(new, lambda placed: _answer(placed, **facts))


def _propose(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
    _require_party(command, command.payload)
    event = agreements.propose(context.register, UUID(command.target), command.payload, helsinki_day(now))
    return _proposed(command, context.register, event, now)


def _redraft(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
    _require_party(command, command.payload)
    party, today = command.principal.party_id, helsinki_day(now)
    event = agreements.redraft(context.register, UUID(command.target), command.payload, party, today)
    return _proposed(command, context.register, event, now)


def _require_party(command: Command, agreement: events.Agreement) -> None:
    """Only who would be a party may draft an agreement."""
    named = frozenset({agreement.provider_id, *agreement.commissioner_ids})
    access.require(command.principal, Action.PROPOSE_AGREEMENT, Resource(party_ids=named))


def _approve(approver: Callable[[Command], str]) -> Handler:
    def decided(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
        register, today = context.register, helsinki_day(now)
        party, agreement_id = command.principal.party_id, UUID(command.target)
        version = command.payload.version
        decision = agreements.approve(register, agreement_id, version, party, approver(command), today)
        record = register.agreements[agreement_id].versions[version]
        new = _agreement_events(command, register, decision, record.agreement, now)
        approved = replace(record, approvals={*record.approvals, party or ""})
        waiting = [] if record.in_force else waiting_for(register, approved, today)
        facts = {"agreement_id": command.target, "version": version, "party_id": party}
        state = {"in_force": not waiting, "waiting_for": waiting}
        return Decision(new, lambda placed: _answer(placed, **facts, **state))

    return Handler(_agreement_stream, decided)


def _amend(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
    register, agreement_id, today = context.register, UUID(command.target), helsinki_day(now)
    event = agreements.amend(register, agreement_id, command.payload, command.principal.party_id, today)
    assert isinstance(event, events.AgreementProposed)
    supersedes = superseded_by(register.agreements[agreement_id].in_force, event.effective_from)
    return _proposed(command, register, event, now, state="proposed", supersedes=supersedes)


def _terminate(command: Command, states: States, context: RegisterSource, now: dt.datetime) -> Decision:
    register, agreement_id, today = context.register, UUID(command.target), helsinki_day(now)
    event = agreements.terminate(register, agreement_id, command.payload, command.principal.party_id, today)
    new = _agreement_events(command, register, [event], register.agreements[agreement_id].agreement, now)
    facts = {"agreement_id": command.target, "last_day": command.payload.last_day.isoformat()}
    return Decision(new, lambda placed: _answer(placed, **facts))


def _no_fold(value: None, event: EventData) -> None:
    """Streams are not folded one by one: the register holds them all."""


def handlers(approver: Callable[[Command], str]) -> dict[type[BaseModel], Handler]:
    """Which handler takes which command. ``approver`` gives the pseudonym of who approves."""
    return {
        wish.RegisterParty: _decide_party(parties.register_party),
        wish.RenameParty: _decide_party(parties.rename_party),
        wish.SucceedParty: _decide_party(parties.succeed_party),
        wish.RegisterPoint: Handler(_point_stream, _register_point),
        wish.ChangePoint: Handler(_point_stream, _change_point),
        wish.ClosePoint: Handler(_point_stream, _close_point),
        wish.DefineService: Handler(_service_stream, _define_service),
        wish.ProposeAgreement: Handler(_agreement_stream, _propose),
        wish.RedraftAgreement: Handler(_agreement_stream, _redraft),
        wish.ApproveVersion: _approve(approver),
        wish.AmendAgreement: Handler(_agreement_stream, _amend),
        wish.TerminateAgreement: Handler(_agreement_stream, _terminate),
    }


def log_spec(settings: Settings) -> LogSpec:
    """The service's log. Each process has its own register, which follows the log."""
    source = RegisterSource()

    def approver(command: Command) -> str:
        who = command.principal
        return ids.reference(settings.feed_secret_bytes, who.party_id or "", f"{who.issuer} {who.subject}")

    async def project(connection: AsyncConnection, placed: Sequence[Placed]) -> None:
        await projection.project(connection, placed, source.register)
        metrics.observe(source.register)

    return LogSpec("agreements", AGREEMENTS, handlers(approver), _no_fold, project, source)
