"""Decisions on service points and on the authorities' catalogues."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

from schemas.agreements import (
    ServiceDefined,
    ServicePoint,
    ServicePointChanged,
    ServicePointClosed,
    ServicePointRegistered,
)
from services.agreements.domain import codes
from services.agreements.domain.commands import ChangePoint, ClosePoint, DefineService, RegisterPoint
from services.agreements.domain.findings import Findings
from services.agreements.domain.parties import known_party, party_findings
from services.agreements.domain.register import PointRecord, Register
from services.chassis.errors import Conflict, NotFound
from services.chassis.reference.municipalities import municipalities


def register_point(register: Register, point_id: str, command: RegisterPoint, today: dt.date) -> ServicePointRegistered:
    """Enter a point with the fields of the national form."""
    if point_id in register.points:
        raise Conflict("already_registered", "This point is in the register. Send its new data as a change.")
    point = ServicePoint.model_validate(command.model_dump())
    findings = Findings()
    _check(register, point, "", point.open_from, today, findings)
    findings.refuse()
    return ServicePointRegistered(service_point_id=point_id, point=point)


def change_point(register: Register, point_id: str, command: ChangePoint, today: dt.date) -> ServicePointChanged:
    """The point's data from a day on. It never moves: another municipality is another point (design.md §3)."""
    record = known_point(register, point_id)
    findings = Findings()
    _check(register, command.point, "/point", command.effective_from, today, findings)
    stays = command.point.municipality_code == record.municipality_code
    detail = "A moved point is a new point: close this one and name the new one as its successor."
    findings.check(stays, "/point/municipality_code", "point_moved", detail)
    before = record.on(command.effective_from).provider_id
    keeper = register.holder(before, record.municipality_code, command.effective_from)
    detail = f"The point is kept by {keeper}; only its provider's successor can take it over."
    kept = command.point.provider_id in (before, keeper)
    findings.check(kept, "/point/provider_id", "provider_fixed", detail)
    open_then = record.last_day is None or command.effective_from <= record.last_day
    findings.check(open_then, "/effective_from", "point_closed", "The point is closed by then.")
    findings.refuse()
    return ServicePointChanged(service_point_id=point_id, point=command.point, effective_from=command.effective_from)


def close_point(register: Register, point_id: str, command: ClosePoint) -> ServicePointClosed:
    """The point ends; a successor point may be named."""
    record = known_point(register, point_id)
    if record.last_day is not None:
        raise Conflict("already_closed", f"The point is closed; its last day is {record.last_day}.")
    findings = Findings()
    late = command.last_day >= record.open_from
    findings.check(late, "/last_day", "before_opening", f"The point opened on {record.open_from}.")
    if command.successor_id is not None:
        known = command.successor_id in register.points and command.successor_id != point_id
        findings.check(known, "/successor_id", "point_unknown", "The successor must be another registered point.")
    findings.refuse()
    return ServicePointClosed(service_point_id=point_id, last_day=command.last_day, successor_id=command.successor_id)


def define_service(register: Register, authority_id: str, code: str, command: DefineService) -> ServiceDefined:
    """A service in an authority's catalogue, from a day on."""
    record = known_party(register, authority_id)
    findings = Findings()
    fits = record.party.kind in codes.AUTHORITY_KINDS
    findings.check(fits, "/authority_id", "party_kind_refused", "Only an authority has a catalogue of services.")
    known = codes.tasks_on(command.valid_from)
    for at, task in enumerate(command.tasks):
        detail = f"§6 had no task {task} on {command.valid_from}."
        findings.check(task in known, f"/tasks/{at}", "task_unknown", detail)
    ordered = command.valid_until is None or command.valid_until >= command.valid_from
    findings.check(ordered, "/valid_until", "dates_reversed", "The last day is before the first.")
    findings.refuse()
    return ServiceDefined(authority_id=authority_id, code=code, **dict(command))


def known_point(register: Register, point_id: str) -> PointRecord:
    """The point's record, or ``point_unknown``."""
    record = register.points.get(point_id)
    if record is None:
        raise NotFound("point_unknown", f"No service point {point_id} is registered.")
    return record


def _check(
    register: Register, point: ServicePoint, where: str, day: dt.date, today: dt.date, findings: Findings
) -> None:
    party_findings(register, point.provider_id, day, f"{where}/provider_id", findings)
    municipality = municipalities().get(point.municipality_code)
    detail = f"No municipality has the code {point.municipality_code}."
    if findings.check(municipality is not None, f"{where}/municipality_code", "municipality_unknown", detail):
        assert municipality is not None
        right = municipality.region.code
        detail = f"{municipality.fi} is in region {right}."
        findings.check(point.region_code == right, f"{where}/region_code", "region_wrong", detail)
    located = point.located_in in codes.LOCATIONS
    detail = f"Use one of {', '.join(sorted(codes.LOCATIONS))}."
    findings.check(located, f"{where}/located_in", "location_unknown", detail)
    checked = point.checked_on <= today
    findings.check(checked, f"{where}/checked_on", "in_the_future", "The data cannot have been checked tomorrow.")
    _hours(point, where, findings)


def _hours(point: ServicePoint, where: str, findings: Findings) -> None:
    """Each opening has a length, and two on one day do not meet."""
    for at, each in enumerate(point.opening_hours):
        later = each.opens < each.closes
        findings.check(later, f"{where}/opening_hours/{at}", "opening_hours_wrong", "It closes before it opens.")
    for before, after in pairwise(sorted(point.opening_hours, key=lambda each: (each.weekday, each.opens))):
        apart = before.weekday != after.weekday or before.closes <= after.opens
        detail = f"Two openings meet on weekday {after.weekday}."
        findings.check(apart, f"{where}/opening_hours", "opening_hours_wrong", detail)
