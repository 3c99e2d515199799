"""Who stands for a side of an agreement on a day, and whose approval is still wanted (R8, R9; feature A9).

A side is the provider, or one commissioner. It is held by that party itself or, where its tasks have passed on, by
the successors in the municipalities of the agreement's points. Where a successor is the provider itself, the
agreement has ended there: nobody agrees with oneself (R7), so nobody's approval is wanted.
"""

from __future__ import annotations

import datetime as dt

from schemas.agreements import Agreement
from services.agreements.domain.register import AgreementRecord, Register, VersionRecord
from services.agreements.domain.timeline import earliest


def municipalities_of(register: Register, agreement: Agreement) -> list[str]:
    """Where the agreement's points are."""
    points = (register.points.get(point_id) for point_id in agreement.service_point_ids)
    return sorted({point.municipality_code for point in points if point is not None})


def holders(register: Register, agreement: Agreement, party_id: str, day: dt.date) -> set[str]:
    """Who holds a party's side on ``day``, over the municipalities of the points."""
    return {register.holder(party_id, code, day) for code in municipalities_of(register, agreement)} or {party_id}


def wanted(register: Register, agreement: Agreement, day: dt.date) -> list[set[str]]:
    """Per side the parties that must approve on ``day``: the provider's side first."""
    provider = holders(register, agreement, agreement.provider_id, day)
    others = [holders(register, agreement, each, day) - provider for each in agreement.commissioner_ids]
    return [provider, *others]


def waiting_for(register: Register, version: VersionRecord, today: dt.date) -> list[str]:
    """Parties whose approval is missing. Empty when every side has approved.

    A side has approved if those who hold it today have, or those who held it on the version's first day: papers signed
    by an authority that has ceased since are entered later, and stay what they were.
    """
    then = wanted(register, version.agreement, version.effective_from)
    now = wanted(register, version.agreement, today)
    missing: set[str] = set()
    for held_then, held_now in zip(then, now, strict=True):
        if not any(held and held <= version.approvals for held in (held_then, held_now)):
            missing |= (held_now or held_then) - version.approvals
    return sorted(missing)


def parties_since(register: Register, agreement: Agreement) -> dict[str, dt.date]:
    """Every party to the agreement and from which day: the original ones, then successors in its municipalities."""
    since: dict[str, dt.date] = {}
    for party_id in (agreement.provider_id, *agreement.commissioner_ids):
        since[party_id] = dt.date.min
        for code in municipalities_of(register, agreement):
            for holder, first, _ in register.tenures(party_id, code):
                since[holder] = min(first, since.get(holder, first))
    return since


def parties_on(register: Register, agreement: Agreement, today: dt.date) -> set[str]:
    """Who may see the agreement and act in it today."""
    return {party_id for party_id, first in parties_since(register, agreement).items() if first <= today}


def authorities_on(register: Register, agreement: Agreement, today: dt.date) -> set[str]:
    """Whose feeds hold copies of its events: the commissioners, and their successors so far."""
    provider = {agreement.provider_id}
    found: set[str] = set(agreement.commissioner_ids)
    for party_id in agreement.commissioner_ids:
        for code in municipalities_of(register, agreement):
            found |= {holder for holder, first, _ in register.tenures(party_id, code) if first <= today}
    return found - provider


def end_by_succession(register: Register, agreement: Agreement) -> dt.date | None:
    """The last day before provider and commissioner became one everywhere in the agreement (R9), or None."""
    ends: list[dt.date] = []
    for party_id in agreement.commissioner_ids:
        for code in municipalities_of(register, agreement):
            merged = [first for holder, first, _ in register.tenures(party_id, code) if holder == agreement.provider_id]
            if not merged:
                return None
            ends.append(merged[0] - dt.timedelta(days=1))
    return max(ends, default=None)


def end_of(register: Register, record: AgreementRecord) -> dt.date | None:
    """The last covered day by term, by notice or by succession."""
    return earliest(record.ends, end_by_succession(register, record.agreement))
