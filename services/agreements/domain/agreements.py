"""Decisions on agreements: draft, approval by every side, amendment, termination (R2–R9; features A1, A3, A9).

Numbers of versions are never used twice: a draft or an amendment that takes another's place gets the next number, so
that an approval always means the text that was read. Usually the first is 1 and each amendment counts on from there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from schemas import agreements as events
from schemas.agreements import Agreement
from schemas.base import EventData
from services.agreements.domain import codes
from services.agreements.domain.commands import AmendAgreement, ProposeAgreement, RedraftAgreement, TerminateAgreement
from services.agreements.domain.coverage import first_overlap
from services.agreements.domain.findings import Findings
from services.agreements.domain.parties import party_findings
from services.agreements.domain.register import AgreementRecord, Register, VersionRecord
from services.agreements.domain.sides import end_of, parties_on, waiting_for
from services.agreements.domain.terms import check_terms, require_items
from services.chassis.errors import Conflict, NotFound


def propose(register: Register, agreement_id: UUID, command: ProposeAgreement, today: dt.date) -> EventData:
    """A new draft. Items of §8 may still be empty; all else must be right."""
    if agreement_id in register.agreements:
        raise Conflict("already_proposed", "This agreement exists. Send another draft, or an amendment.")
    return _draft(register, agreement_id, command, 1, today)


def redraft(
    register: Register, agreement_id: UUID, command: RedraftAgreement, party_id: str | None, today: dt.date
) -> EventData:
    """Another draft in place of the open one; approvals of the former count no more."""
    record = own_agreement(register, agreement_id, party_id, today)
    if record.in_force:
        raise Conflict("already_in_force", "The agreement is in force. Propose an amendment.")
    if command.based_on != record.open_version:
        raise Conflict(
            "stale", f"The newest draft is version {record.open_version}. Read it first.", pointer="/based_on"
        )
    return _draft(register, agreement_id, command, max(record.versions) + 1, today)


def _draft(
    register: Register, agreement_id: UUID, command: ProposeAgreement, version: int, today: dt.date
) -> events.AgreementProposed:
    agreement = Agreement(**{name: getattr(command, name) for name in Agreement.model_fields})
    findings = Findings()
    _check_agreement(register, agreement, findings)
    check_terms(register, agreement, command.terms, agreement.valid_from, findings)
    _check_signed_on(command.signed_on, today, findings)
    findings.refuse()
    return events.AgreementProposed(
        agreement_id=agreement_id,
        version=version,
        agreement=agreement,
        effective_from=agreement.valid_from,
        signed_on=command.signed_on,
        terms=command.terms,
    )


def approve(
    register: Register, agreement_id: UUID, version: int, party_id: str | None, approver: str, today: dt.date
) -> Sequence[EventData]:
    """One party approves the open version; with the last side's approval it comes into force.

    Approving again changes nothing and is no error. Raises ``not_a_party``, ``stale``, ``items_missing``,
    ``agreement_overlap``, and whatever has become wrong in the register since the draft was made.
    """
    record = own_agreement(register, agreement_id, party_id, today)
    assert party_id is not None
    wanted = record.versions.get(version)
    if wanted is not None and party_id in wanted.approvals and version == max(record.versions):
        return ()
    if wanted is None or version != record.open_version:
        now = f"version {record.open_version} is" if record.open_version else "no version is"
        raise Conflict("stale", f"That version is not open for approval; {now}. Read it first.", pointer="/version")
    require_items(wanted.terms)
    approved = events.AgreementApproved(
        agreement_id=agreement_id, version=version, party_id=party_id, approver=approver
    )
    after = VersionRecord(
        wanted.version, wanted.agreement, wanted.effective_from, wanted.signed_on, wanted.terms,
        wanted.approvals | {party_id},
    )  # fmt: skip
    if waiting_for(register, after, today):
        return (approved,)
    _check_in_force(register, agreement_id, record, after)
    return (approved, _in_force(agreement_id, record, after))


def _in_force(agreement_id: UUID, record: AgreementRecord, version: VersionRecord) -> EventData:
    kind = events.AgreementAmended if record.in_force else events.AgreementSigned
    return kind(
        agreement_id=agreement_id,
        version=version.version,
        agreement=version.agreement,
        effective_from=version.effective_from,
        signed_on=version.signed_on,
        terms=version.terms,
    )


def _check_in_force(register: Register, agreement_id: UUID, record: AgreementRecord, version: VersionRecord) -> None:
    """What must hold at the moment of coming into force, whatever held when it was proposed."""
    findings = Findings()
    if not record.in_force:
        _check_agreement(register, version.agreement, findings)
    else:
        _check_effective_from(register, record, version.effective_from, findings)
    check_terms(register, version.agreement, version.terms, version.effective_from, findings)
    findings.refuse()
    _refuse_overlap(register, agreement_id, record, version)


def _refuse_overlap(register: Register, agreement_id: UUID, record: AgreementRecord, version: VersionRecord) -> None:
    found = first_overlap(register, agreement_id, record, version)
    if found is not None:  # The other agreement is not named: not every party here is a party there.
        key = found.covered
        detail = (
            f"Another agreement in force covers service {key.service} of {key.authority_id} at {key.service_point_id} "
            "on some of the same days. End it first, or leave the service out."
        )
        raise Conflict("agreement_overlap", detail, pointer="/terms/services")


def amend(
    register: Register, agreement_id: UUID, command: AmendAgreement, party_id: str | None, today: dt.date
) -> EventData:
    """New terms from a day on, also backwards without limit; in force once every side approves."""
    record = own_agreement(register, agreement_id, party_id, today)
    if not record.in_force:
        raise Conflict("not_in_force", "The agreement is still a draft. Send another draft instead.")
    if command.replaces != record.open_version:
        if record.open_version is None:
            raise Conflict("stale", "No amendment is open that this could replace.", pointer="/replaces")
        detail = f"Amendment {record.open_version} is open. Approve it, or say with replaces that this takes its place."
        raise Conflict("amendment_overlap", detail, pointer="/replaces")
    findings = Findings()
    _check_effective_from(register, record, command.effective_from, findings)
    check_terms(register, record.agreement, command.terms, command.effective_from, findings)
    _check_signed_on(command.signed_on, today, findings)
    newest = record.in_force[-1]
    same = newest.terms == command.terms and newest.effective_from == command.effective_from
    findings.check(not same, "/terms", "amendment_changes_nothing", "These terms are in force from that day already.")
    findings.refuse()
    number = max(record.versions) + 1
    draft = VersionRecord(number, record.agreement, command.effective_from, command.signed_on, command.terms)
    _refuse_overlap(register, agreement_id, record, draft)
    return events.AgreementProposed(
        agreement_id=agreement_id,
        version=number,
        agreement=record.agreement,
        effective_from=command.effective_from,
        signed_on=command.signed_on,
        terms=command.terms,
    )


def terminate(
    register: Register, agreement_id: UUID, command: TerminateAgreement, party_id: str | None, today: dt.date
) -> EventData:
    """Notice by one party: ``last_day`` is the last covered day (R3). Once only."""
    record = own_agreement(register, agreement_id, party_id, today)
    assert party_id is not None
    if not record.in_force:
        raise Conflict("not_in_force", "Only an agreement that was approved by every side can be terminated.")
    if record.last_day is not None:
        raise Conflict("already_terminated", f"Notice has been given; the last day is {record.last_day}.")
    agreement, findings = record.agreement, Findings()
    after_start = command.last_day >= agreement.valid_from
    detail = f"The agreement begins on {agreement.valid_from}; its last day cannot be earlier."
    findings.check(after_start, "/last_day", "termination_before_start", detail)
    ends = end_of(register, record)
    before_end = ends is None or command.last_day <= ends
    findings.check(before_end, "/last_day", "termination_after_end", f"The agreement ends by itself on {ends}.")
    findings.check(command.notice_on <= today, "/notice_on", "in_the_future", "Notice cannot have been given tomorrow.")
    ordered = command.notice_on <= command.last_day
    findings.check(ordered, "/notice_on", "dates_reversed", "Notice is given on the last day at the latest.")
    findings.refuse()
    return events.AgreementTerminated(
        agreement_id=agreement_id,
        agreement=agreement,
        last_day=command.last_day,
        notice_by=party_id,
        notice_on=command.notice_on,
    )


def own_agreement(register: Register, agreement_id: UUID, party_id: str | None, today: dt.date) -> AgreementRecord:
    """The agreement, for one of its parties. To anybody else it does not exist (R36)."""
    record = register.agreements.get(agreement_id)
    if record is None or party_id is None or party_id not in parties_on(register, record.agreement, today):
        raise NotFound("not_a_party", "There is no such agreement in which your organisation is a party.")
    return record


def _check_agreement(register: Register, agreement: Agreement, findings: Findings) -> None:
    """Parties, points and validity (R1–R3, R7, R9)."""
    day = agreement.valid_from
    old = day < codes.JOINT_SERVICE_SINCE
    findings.check(not old, "/valid_from", "before_the_act", "223/2007 came into force on 1.4.2007.")
    ordered = agreement.valid_until is None or agreement.valid_until >= day
    findings.check(ordered, "/valid_until", "dates_reversed", "The last day is before the first.")
    party_findings(register, agreement.provider_id, day, "/provider_id", findings)
    for at, party_id in enumerate(agreement.commissioner_ids):
        where = f"/commissioner_ids/{at}"
        party_findings(register, party_id, day, where, findings)
        itself = party_id != agreement.provider_id
        findings.check(itself, where, "provider_is_commissioner", "Nobody can commission oneself (R7).")
        once = agreement.commissioner_ids.index(party_id) == at
        findings.check(once, where, "party_twice", f"{party_id} is given twice.")
    for at, point_id in enumerate(agreement.service_point_ids):
        _check_point(register, agreement, point_id, f"/service_point_ids/{at}", findings)
        once = agreement.service_point_ids.index(point_id) == at
        findings.check(once, f"/service_point_ids/{at}", "point_twice", f"{point_id} is given twice.")


def _check_point(register: Register, agreement: Agreement, point_id: str, where: str, findings: Findings) -> None:
    """In the provider's control, open, and where the commissioners still have their tasks."""
    point, day = register.points.get(point_id), agreement.valid_from
    if point is None:
        findings.add(where, "point_unknown", f"No service point {point_id} is registered.")
        return
    kept = point.on(day).provider_id == agreement.provider_id
    detail = f"{point_id} is not in the provider's control on {day}."
    findings.check(kept, where, "point_not_of_provider", detail)
    open_then = point.open_from <= day and (point.last_day is None or day <= point.last_day)
    findings.check(open_then, where, "point_not_open", f"{point_id} is not open on {day}.")
    for at, party_id in enumerate(agreement.commissioner_ids):
        holder = register.holder(party_id, point.municipality_code, day)
        detail = f"The tasks of {party_id} belong to {holder} there on {day}."
        findings.check(holder == party_id, f"/commissioner_ids/{at}", "party_succeeded", detail)


def _check_effective_from(register: Register, record: AgreementRecord, day: dt.date, findings: Findings) -> None:
    first, last = record.agreement.valid_from, end_of(register, record)
    inside = first <= day and (last is None or day <= last)
    until = f" to {last}" if last else " on"
    detail = f"The agreement is valid from {first}{until}; terms cannot begin outside that."
    findings.check(inside, "/effective_from", "amendment_gap", detail)


def _check_signed_on(signed_on: dt.date | None, today: dt.date, findings: Findings) -> None:
    past = signed_on is None or signed_on <= today
    findings.check(past, "/signed_on", "in_the_future", "A signature cannot be of tomorrow.")
