"""Documents: received and forwarded (223/2007 §6 item 4, §7; domain.md R7, R18, R20–R22).

Laws:
- When a paper came is a moment or the bounds between which it came; a stamp of the server bounds it from above.
  Without a stamp the time is the adviser's statement, and the event says so by having no stamp.
- A stamp is used once, soon, at its point, by who made it: borrowed stamps lost KHO:2016:158.
- A verdict is null until a rule has been applied to it; it is never guessed.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from uuid import UUID

from schemas.base import EventData
from schemas.diary import Act, DocumentForwarded, DocumentReceived, Late, Received, Stamp
from services.chassis.clock import HELSINKI
from services.chassis.errors import Conflict, Invalid, NotFound
from services.diary.domain import codes
from services.diary.domain.entries import ForwardDocument, ReceiveDocument
from services.diary.domain.refusals import Findings, reused, stale
from services.diary.domain.visits import CLOCK_SKEW, VisitState

STAMP_LIFE = dt.timedelta(hours=2)
"""How soon the details must follow a stamp. Longer, and stamps could be kept in stock for papers that come late."""


@dataclass(frozen=True, slots=True)
class KnownStamp:
    """A stamp as the server keeps it; ``used`` by a document already."""

    stamp_id: UUID
    service_point_id: str
    recorder: str
    stamped_at: dt.datetime
    used: bool = False


@dataclass(frozen=True, slots=True)
class DocumentState:
    """A document as its stream tells it now."""

    received: DocumentReceived
    forwarded: DocumentForwarded | None = None


def evolve(state: DocumentState | None, event: EventData) -> DocumentState:
    """Fold one event of a document's stream."""
    match event:
        case DocumentReceived():
            return DocumentState(event)
        case DocumentForwarded() if state is not None:
            return replace(state, forwarded=event)
    raise RuntimeError(f"{type(event).__name__} has no place in a document's stream after {state}")


def receive(
    document_id: UUID,
    command: ReceiveDocument,
    existing: DocumentState | None,
    visit: VisitState | None,
    stamp: KnownStamp | None,
    commitment: str,
    recorder: str,
    now: dt.datetime,
) -> DocumentReceived:
    """A paper received. ``visit`` is the visit it belongs to, already recorded or recorded by the same command."""
    if existing is not None:
        raise reused()
    found = Findings()
    act = _act(command, visit, found)
    _check_codes(command, found)
    _check_stamp(command, stamp, recorder, now, found)
    received = _received(command, stamp, now, found)
    found.refuse()
    assert visit is not None and act is not None and received is not None
    day = received.latest.astimezone(HELSINKI).date()
    late = _late(command, visit, day, now.astimezone(HELSINKI).date())
    return DocumentReceived(
        document_id=document_id,
        service_point_id=visit.service_point_id,
        provider_id=visit.provider_id,
        authority_id=command.authority_id,
        visit_id=command.visit_id,
        act_no=command.act_no,
        recorder=recorder,
        kind=command.kind,
        mode=command.mode,
        received=received,
        service_day=day,
        stamp=Stamp(stamp_id=stamp.stamp_id, stamped_at=stamp.stamped_at) if stamp else None,
        late=late,
        deadline=command.deadline,
        commitment=commitment,
        coverage=act.coverage,
        verdict=None,
    )


def forward(
    document_id: UUID,
    command: ForwardDocument,
    version: int,
    existing: DocumentState | None,
    recorder: str,
    now: dt.datetime,
) -> DocumentForwarded:
    """A paper sent on to the authority."""
    if existing is None:
        raise NotFound("unknown_document", "There is no such document.")
    if command.based_on != version:
        raise stale(command.based_on, version)
    if existing.forwarded is not None:
        raise Conflict("already_forwarded", "The document has been forwarded already.")
    found = Findings()
    if command.means not in codes.KNOWN["means"]:
        found.add("/means", "unknown_means", f"The means is one of {', '.join(codes.MEANS)}.")
    if command.forwarded_at > now + CLOCK_SKEW:
        found.add("/forwarded_at", "in_future", "A document cannot be recorded as forwarded before it is.")
    elif command.forwarded_at < existing.received.received.earliest:
        found.add("/forwarded_at", "forwarded_before_received", "A document is forwarded after it was received.")
    found.refuse()
    received = existing.received
    return DocumentForwarded(
        document_id=document_id,
        service_point_id=received.service_point_id,
        provider_id=received.provider_id,
        authority_id=received.authority_id,
        recorder=recorder,
        replaces=version,
        forwarded_at=command.forwarded_at,
        means=command.means,
    )


def _act(command: ReceiveDocument, visit: VisitState | None, found: Findings) -> Act | None:
    """The act of the visit that the document belongs to."""
    if visit is None:
        found.add("/visit_id", "unknown_visit", "There is no such visit. Record it first, or send it along as visit.")
        return None
    if visit.voided:
        found.add("/visit_id", "visit_voided", "The visit has been voided. Record it anew under another id.")
        return None
    if visit.service_point_id != command.service_point_id:
        found.add("/service_point_id", "visit_at_other_point", "The visit was at another service point.")
        return None
    act = next((each for each in visit.facts.acts if each.act_no == command.act_no), None)
    if act is None:
        found.add("/act_no", "unknown_act", f"The visit has acts 1 to {len(visit.facts.acts)}.")
    elif act.authority_id != command.authority_id:
        found.add("/authority_id", "act_for_other_authority", "That act was for another authority.")
    elif act.task != "receive_document":
        found.add("/act_no", "act_receives_nothing", "That act is not of the task receive_document.")
    return act


def _check_codes(command: ReceiveDocument, found: Findings) -> None:
    if command.kind not in codes.KNOWN["kind"]:
        found.add("/kind", "unknown_kind", f"The kind is one of {', '.join(codes.DOCUMENT_KINDS)}.")
    if command.mode not in codes.KNOWN["mode"]:
        found.add("/mode", "unknown_mode", f"The mode of arrival is one of {', '.join(codes.ARRIVAL_MODES)}.")


def _check_stamp(
    command: ReceiveDocument, stamp: KnownStamp | None, recorder: str, now: dt.datetime, found: Findings
) -> None:
    if command.stamp_id is None:
        return
    if stamp is None or stamp.service_point_id != command.service_point_id:
        found.add("/stamp_id", "unknown_stamp", "No such stamp was made at this service point.")
    elif stamp.recorder != recorder:
        found.add("/stamp_id", "stamp_of_another", "Another adviser made this stamp; only that adviser may use it.")
    elif stamp.used:
        found.add("/stamp_id", "stamp_used", "This stamp belongs to another document.")
    elif now > stamp.stamped_at + STAMP_LIFE:
        detail = "The stamp has expired. Record the document without it, as the adviser's statement."
        found.add("/stamp_id", "stamp_expired", detail)


def _received(command: ReceiveDocument, stamp: KnownStamp | None, now: dt.datetime, found: Findings) -> Received | None:
    """When the paper came. A stamp says no later than itself; the adviser may say earlier."""
    earliest, latest, pointer = _claimed(command, stamp, found)
    if earliest is None or latest is None:
        return None
    if latest > now + CLOCK_SKEW:
        found.add(pointer, "in_future", "A document cannot be received in the future.")
    elif earliest > latest:
        found.add("/received_between/from", "received_order", "The first bound is not later than the second.")
    elif stamp is not None and latest > stamp.stamped_at + CLOCK_SKEW:
        found.add(pointer, "received_after_stamp", f"The stamp was made at {stamp.stamped_at.isoformat()}.")
    if stamp is not None:
        return Received(earliest=min(earliest, stamp.stamped_at), latest=stamp.stamped_at)
    return Received(earliest=earliest, latest=latest)


def _claimed(
    command: ReceiveDocument, stamp: KnownStamp | None, found: Findings
) -> tuple[dt.datetime | None, dt.datetime | None, str]:
    if command.received_at is not None and command.received_between is not None:
        found.add("/received_between", "received_twice", "Give received_at or received_between, not both.")
    if command.received_between is not None:
        return command.received_between.from_, command.received_between.to, "/received_between/to"
    if command.received_at is not None:
        return command.received_at, command.received_at, "/received_at"
    if stamp is not None:
        return stamp.stamped_at, stamp.stamped_at, "/stamp_id"
    if command.stamp_id is None:
        detail = "Say when the document came: a stamp, received_at or received_between."
        found.add("/received_at", "received_missing", detail)
    return None, None, ""


def _late(command: ReceiveDocument, visit: VisitState, day: dt.date, today: dt.date) -> Late | None:
    """A document entered on a later day says why, or its visit has said it."""
    days = max((today - day).days, 0)
    reason = command.late_reason or (visit.facts.late.reason if days and visit.facts.late else None)
    if reason is None and days:
        detail = f"The document is recorded {days} day(s) later: say why ({', '.join(codes.LATE_REASONS)})."
        raise Invalid("late_reason_missing", detail, pointer="/late_reason")
    if reason is not None and reason not in codes.KNOWN["late_reason"]:
        detail = f"The reason is one of {', '.join(codes.LATE_REASONS)}."
        raise Invalid("unknown_late_reason", detail, pointer="/late_reason")
    return Late(reason=reason, days=days) if reason is not None else None
