"""Visits: recorded, corrected, voided. ``given(events).when(command).then(events)``.

Laws (domain.md R4, R7, R9–R16):
- Only a visit creates acts; a visit is counted once, each act apart.
- Nothing is edited: a correction takes the whole visit back and puts another in its place, and says on which
  version it is based. The point and the id never change.
- An entry made on a later Helsinki day than the visit says why, and is marked with the days between.
- Coverage is what the counter knew when the act was first entered as it is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

from schemas.base import EventData
from schemas.diary import Act, Late, VisitCorrected, VisitFacts, VisitRecorded, VisitVoided
from services.chassis.clock import HELSINKI
from services.chassis.errors import Conflict, Invalid, NotFound
from services.diary.domain import codes
from services.diary.domain.entries import ActEntry, CorrectVisit, VisitEntry, VoidVisit
from services.diary.domain.refusals import Findings, reused, stale
from services.diary.domain.register import Point, PointFacts, Register

CLOCK_SKEW = dt.timedelta(seconds=60)
"""How far ahead of ours a counter's clock may be."""
MAX_QUANTITY, MAX_MINUTES, MAX_CUSTOMERS = 999, 1440, 500


@dataclass(frozen=True, slots=True)
class VisitState:
    """A visit as its stream tells it now."""

    service_point_id: str
    provider_id: str
    facts: VisitFacts
    voided: bool = False

    @property
    def first_recorded_on(self) -> dt.date:
        """The Helsinki day of the first entry: the day of the visit, or as many days later as it says."""
        late = self.facts.late
        return self.facts.service_day + dt.timedelta(days=late.days if late else 0)


def evolve(state: VisitState | None, event: EventData) -> VisitState:
    """Fold one event of a visit's stream."""
    match event:
        case VisitRecorded():
            return VisitState(event.service_point_id, event.provider_id, event.visit)
        case VisitCorrected() if state is not None:
            return replace(state, provider_id=event.provider_id, facts=event.after)
        case VisitVoided() if state is not None:
            return replace(state, voided=True)
    raise RuntimeError(f"{type(event).__name__} has no place in a visit's stream after {state}")


class Place(NamedTuple):
    """The point of an entry with its data on the day of the visit, and that moment in Helsinki."""

    point: Point
    facts: PointFacts
    local: dt.datetime


def place_of(entry: VisitEntry, register: Register, base: str = "") -> Place:
    """Where and when an entry is. Raises Invalid ``unknown_service_point``."""
    point = register.points.get(entry.service_point_id)
    if point is None:
        raise Invalid(
            "unknown_service_point",
            "There is no such service point. Check the id, or wait until the register's news has arrived.",
            pointer=f"{base}/service_point_id",
        )
    local = entry.occurred_at.astimezone(HELSINKI)
    return Place(point, point.on(local.date()), local)


def record(
    visit_id: UUID,
    entry: VisitEntry,
    place: Place,
    existing: VisitState | None,
    register: Register,
    recorder: str,
    now: dt.datetime,
    base: str = "",
) -> VisitRecorded:
    """A new visit. ``base`` is where the entry stands in the request."""
    if existing is not None:
        raise reused()
    visit = _visit(entry, place, register, now, now.astimezone(HELSINKI).date(), None, base)
    return VisitRecorded(
        visit_id=visit_id,
        service_point_id=place.point.id,
        provider_id=place.facts.provider_id,
        recorder=recorder,
        visit=visit,
    )


def correct(
    visit_id: UUID,
    command: CorrectVisit,
    version: int,
    existing: VisitState | None,
    register: Register,
    recorder: str,
    now: dt.datetime,
) -> VisitCorrected:
    """The visit as it should have been, in the place of what it was."""
    state = _changeable(existing, command.based_on, version, command.reason)
    if command.visit.service_point_id != state.service_point_id:
        detail = "A visit stays at its service point. Void it and record it anew at the other."
        raise Invalid("service_point_fixed", detail, pointer="/visit/service_point_id")
    place = place_of(command.visit, register, "/visit")
    after = _visit(command.visit, place, register, now, state.first_recorded_on, state.facts, "/visit")
    if after == state.facts:
        raise Invalid("nothing_changed", "The correction says what is recorded already.", pointer="/visit")
    return VisitCorrected(
        visit_id=visit_id,
        service_point_id=state.service_point_id,
        provider_id=place.facts.provider_id,
        recorder=recorder,
        replaces=version,
        reason=command.reason,
        before=state.facts,
        after=after,
    )


def void(visit_id: UUID, command: VoidVisit, version: int, existing: VisitState | None, recorder: str) -> VisitVoided:
    """The visit taken back."""
    state = _changeable(existing, command.based_on, version, command.reason)
    return VisitVoided(
        visit_id=visit_id,
        service_point_id=state.service_point_id,
        provider_id=state.provider_id,
        recorder=recorder,
        replaces=version,
        reason=command.reason,
        before=state.facts,
    )


def _changeable(existing: VisitState | None, based_on: int, version: int, reason: str) -> VisitState:
    if existing is None:
        raise NotFound("unknown_visit", "There is no such visit.")
    if based_on != version:
        raise stale(based_on, version)
    if existing.voided:
        raise Conflict("voided", "The visit has been voided. Record it anew under another id.")
    if reason not in codes.KNOWN["reason"]:
        raise Invalid(
            "unknown_reason", f"The reason is one of {', '.join(codes.CORRECTION_REASONS)}.", pointer="/reason"
        )
    return existing


def _visit(
    entry: VisitEntry,
    place: Place,
    register: Register,
    now: dt.datetime,
    recorded_on: dt.date,
    before: VisitFacts | None,
    base: str,
) -> VisitFacts:
    """The facts of an entry. Raises Invalid with everything that is wrong."""
    day = place.local.date()
    found = Findings(base)
    _check_time(entry, place.point, day, now, found)
    late = _late(entry, day, recorded_on, before, found)
    _check_codes(entry, found)
    acts = tuple(_act(number, act, place, day, register, before, found) for number, act in enumerate(entry.acts, 1))
    found.refuse()
    return VisitFacts(
        occurred_at=entry.occurred_at,
        service_day=day,
        hour=place.local.hour,
        customers=entry.customers,
        language=entry.language,
        language_asked=entry.language_asked,
        place=entry.place or codes.PLACE_OF.get(entry.acts[0].channel, "point"),
        late=late,
        acts=tuple(act for act in acts if act is not None),
    )


def _check_time(entry: VisitEntry, point: Point, day: dt.date, now: dt.datetime, found: Findings) -> None:
    if entry.occurred_at > now + CLOCK_SKEW:
        found.add("/occurred_at", "in_future", "A visit cannot be recorded before it has happened.")
    elif day < point.open_from:
        found.add("/occurred_at", "before_point_opened", f"The point opened on {point.open_from}.")
    elif day > point.last_day:
        found.add("/occurred_at", "after_point_closed", f"The point closed; its last day was {point.last_day}.")


def _late(
    entry: VisitEntry, day: dt.date, recorded_on: dt.date, before: VisitFacts | None, found: Findings
) -> Late | None:
    """The mark of an entry made after the day; a correction keeps the reason that was given first."""
    reason = entry.late_reason or (before.late.reason if before is not None and before.late is not None else None)
    days = max((recorded_on - day).days, 0)
    if reason is None:
        if days:
            detail = f"The visit is recorded {days} day(s) later: say why ({', '.join(codes.LATE_REASONS)})."
            found.add("/late_reason", "late_reason_missing", detail)
        return None
    if reason not in codes.KNOWN["late_reason"]:
        detail = f"The reason is one of {', '.join(codes.LATE_REASONS)}."
        found.add("/late_reason", "unknown_late_reason", detail)
        return None
    return Late(reason=reason, days=days) if days or entry.late_reason else None


def _check_codes(entry: VisitEntry, found: Findings) -> None:
    if not 0 <= entry.customers <= MAX_CUSTOMERS:
        found.add("/customers", "customers_out_of_range", f"Customers are 0 to {MAX_CUSTOMERS}.")
    elif entry.customers == 0 and any(act.channel not in codes.WITHOUT_CUSTOMER for act in entry.acts):
        found.add("/customers", "customers_missing", "Only what came by post or drop box has no customer present.")
    if entry.language not in codes.KNOWN["language"]:
        found.add("/language", "unknown_language", f"The language is one of {', '.join(codes.LANGUAGES)}.")
    if entry.language_asked is not None and entry.language_asked not in codes.KNOWN["language"]:
        found.add("/language_asked", "unknown_language", f"The language is one of {', '.join(codes.LANGUAGES)}.")
    if entry.place is not None and entry.place not in codes.KNOWN["place"]:
        found.add("/place", "unknown_place", f"The place is one of {', '.join(codes.PLACES)}.")


def _act(
    number: int,
    act: ActEntry,
    place: Place,
    day: dt.date,
    register: Register,
    before: VisitFacts | None,
    found: Findings,
) -> Act | None:
    """One act, or None with what is wrong with it."""
    pointer = f"/acts/{number - 1}"
    problems = len(found.errors)
    _check_act(act, pointer, found)
    if not codes.is_task(act.task, day):
        listed = ", ".join(codes.tasks_on(day))
        found.add(f"{pointer}/task", "unknown_task", f"On {day} the tasks of 223/2007 §6 were {listed}.")
    _check_authority(act, place.facts.municipality, day, register, pointer, found)
    if len(found.errors) > problems:
        return None
    first = _same_act(number, act, day, before)
    coverage = (
        first.coverage
        if first is not None
        else register.coverage(place.point.id, place.facts.provider_id, act.authority_id, act.service, act.task, day)
    )
    return Act(
        act_no=number,
        authority_id=act.authority_id,
        service=act.service,
        task=act.task,
        channel=act.channel,
        quantity=act.quantity,
        minutes=act.minutes,
        performed_by=act.performed_by,
        coverage=coverage,
    )


def _check_act(act: ActEntry, pointer: str, found: Findings) -> None:
    if not 1 <= act.quantity <= MAX_QUANTITY:
        found.add(f"{pointer}/quantity", "quantity_out_of_range", f"A quantity is 1 to {MAX_QUANTITY}.")
    if act.minutes is not None and not 0 <= act.minutes <= MAX_MINUTES:
        found.add(f"{pointer}/minutes", "minutes_out_of_range", f"Minutes are 0 to {MAX_MINUTES}.")
    if act.channel not in codes.KNOWN["channel"]:
        found.add(f"{pointer}/channel", "unknown_channel", f"The channel is one of {', '.join(codes.CHANNELS)}.")
    if act.performed_by not in codes.KNOWN["performed_by"]:
        detail = f"An act is performed by one of {', '.join(codes.PERFORMERS)}."
        found.add(f"{pointer}/performed_by", "unknown_performer", detail)


def _check_authority(
    act: ActEntry, municipality: str, day: dt.date, register: Register, pointer: str, found: Findings
) -> None:
    """The authority exists, is still the one (R9), and has the service in its catalogue, on that day."""
    party = register.parties.get(act.authority_id)
    if party is None or party.valid_from > day:
        detail = "No such authority is registered for that date." if party is None else f"It begins {party.valid_from}."
        found.add(f"{pointer}/authority_id", "unknown_authority", detail)
        return
    successor = register.successor(act.authority_id, municipality, day)
    if successor is not None:
        detail = f"On {day} these tasks belong to {successor}. Record the act for it."
        found.add(f"{pointer}/authority_id", "authority_succeeded", detail)
    elif register.service(act.authority_id, act.service, municipality, day) is None:
        detail = "The authority has no such service in its catalogue on that date."
        found.add(f"{pointer}/service", "unknown_service", detail)


def _same_act(number: int, act: ActEntry, day: dt.date, before: VisitFacts | None) -> Act | None:
    """The act as it was entered first, if the correction leaves alone what its coverage was found by."""
    if before is None or before.service_day != day or number > len(before.acts):
        return None
    first = before.acts[number - 1]
    same = (first.authority_id, first.service, first.task) == (act.authority_id, act.service, act.task)
    return first if same else None
