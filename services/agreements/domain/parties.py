"""Decisions on parties (R1, R9)."""

from __future__ import annotations

import datetime as dt

from schemas.agreements import Party, PartyRegistered, PartyRenamed, PartySucceeded
from services.agreements.domain import codes
from services.agreements.domain.commands import RegisterParty, RenameParty, SucceedParty
from services.agreements.domain.findings import Findings
from services.agreements.domain.register import PartyRecord, Register
from services.chassis.errors import Conflict, Invalid, NotFound
from services.chassis.ids_fi import InvalidId, check_business_id
from services.chassis.reference.municipalities import municipalities


def register_party(register: Register, party_id: str, command: RegisterParty) -> PartyRegistered:
    """Enter a party. Raises ``already_registered`` and what :func:`_check` finds."""
    if party_id in register.parties:
        raise Conflict("already_registered", "This party is in the register. Use renaming or succession to change it.")
    findings = Findings()
    _check(command, findings)
    findings.refuse()
    return PartyRegistered(party_id=party_id, party=Party.model_validate(command.model_dump()))


def _check(party: Party, findings: Findings) -> None:
    kind = party.kind
    detail = f"No kind {kind}; use one of {', '.join(sorted(codes.PARTY_KINDS))}."
    findings.check(kind in codes.PARTY_KINDS, "/kind", "kind_unknown", detail)
    early = kind == "wellbeing_county" and party.valid_from < codes.WELLBEING_COUNTIES_SINCE
    detail = "Wellbeing services counties belong to joint service since 1.1.2023 (893/2022)."
    findings.check(not early, "/valid_from", "wellbeing_county_too_early", detail)
    if party.business_id is not None:
        try:
            check_business_id(party.business_id)
        except InvalidId as error:
            findings.add("/business_id", "business_id_wrong", str(error))
    code = party.municipality_code
    known = code is None or code in municipalities()
    findings.check(known, "/municipality_code", "municipality_unknown", f"No municipality has the code {code}.")


def rename_party(register: Register, party_id: str, command: RenameParty) -> PartyRenamed:
    """Another name from a day on."""
    record = known_party(register, party_id)
    if command.effective_from < record.party.valid_from:
        detail = f"The party exists from {record.party.valid_from}; a name cannot be older."
        raise Invalid("before_party", detail, pointer="/effective_from")
    return PartyRenamed(party_id=party_id, names=command.names, effective_from=command.effective_from)


def succeed_party(register: Register, party_id: str, command: SucceedParty) -> PartySucceeded:
    """Tasks pass to another party. Raises ``succession_ring``, ``succession_twice`` and unknown parties or places."""
    record = known_party(register, party_id)
    successor = register.parties.get(command.successor_id)
    findings = Findings()
    if successor is None:
        findings.add("/successor_id", "party_unknown", f"{command.successor_id} is not registered.")
    else:
        fits = successor.party.kind in codes.AUTHORITY_KINDS
        findings.check(fits, "/successor_id", "party_kind_refused", "Tasks of an authority pass to an authority.")
        late = successor.party.valid_from > command.effective_from
        detail = f"{command.successor_id} exists from {successor.party.valid_from}."
        findings.check(not late, "/effective_from", "party_not_yet", detail)
        ring = party_id == command.successor_id or party_id in _later(register, command.successor_id)
        findings.check(not ring, "/successor_id", "succession_ring", "The tasks would come back to where they were.")
    for at, code in enumerate(command.municipality_codes or ()):
        known = code in municipalities()
        findings.check(known, f"/municipality_codes/{at}", "municipality_unknown", f"No municipality {code}.")
    twice = _passed_already(record, command.municipality_codes)
    detail = "The tasks have passed to another there already. Name only the other municipalities."
    findings.check(not twice, "/municipality_codes", "succession_twice", detail)
    findings.refuse()
    return PartySucceeded(
        party_id=party_id,
        successor_id=command.successor_id,
        effective_from=command.effective_from,
        municipality_codes=command.municipality_codes,
    )


def _later(register: Register, party_id: str) -> set[str]:
    """Everybody to whom the party's tasks ever pass."""
    found: set[str] = set()
    ahead = [party_id]
    while ahead:
        record = register.parties.get(ahead.pop())
        new = {each.successor_id for each in record.successions} - found if record else set()
        found |= new
        ahead += new
    return found


def _passed_already(record: PartyRecord, area: tuple[str, ...] | None) -> bool:
    return any(
        area is None or each.municipality_codes is None or set(area) & set(each.municipality_codes)
        for each in record.successions
    )


def known_party(register: Register, party_id: str) -> PartyRecord:
    """The party's record, or ``party_unknown``."""
    record = register.parties.get(party_id)
    if record is None:
        raise NotFound("party_unknown", f"No party {party_id} is registered.")
    return record


def party_findings(register: Register, party_id: str, day: dt.date, where: str, findings: Findings) -> None:
    """Whether the party may be provider or commissioner from ``day`` on (R1)."""
    record = register.parties.get(party_id)
    if record is None:
        findings.add(where, "party_unknown", f"No party {party_id} is registered.")
        return
    kind = record.party.kind
    detail = "Only authorities may be provider or commissioner; others may share the room as tenants."
    if not findings.check(kind in codes.AUTHORITY_KINDS, where, "party_kind_refused", detail):
        return
    early = kind == "wellbeing_county" and day < codes.WELLBEING_COUNTIES_SINCE
    detail = "Wellbeing services counties belong to joint service since 1.1.2023 (893/2022)."
    if findings.check(not early, where, "wellbeing_county_too_early", detail):
        detail = f"{party_id} exists from {record.party.valid_from}, after the agreement would begin."
        findings.check(record.party.valid_from <= day, where, "party_not_yet", detail)
