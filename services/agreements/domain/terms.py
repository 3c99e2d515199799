"""What the terms of a version must fulfil (R2, R4, §8; feature A2). Every failure is found, each with its place and
code.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from schemas.agreements import ITEMS, Agreement, Tariff, Terms
from services.agreements.domain import codes
from services.agreements.domain.findings import Findings
from services.agreements.domain.register import Register
from services.agreements.domain.sides import holders, municipalities_of
from services.chassis.errors import FieldError, Invalid


def missing_items(terms: Terms) -> list[str]:
    """Items of §8 that say nothing yet, in the order of the section."""
    return [item for item in ITEMS if not terms.items.get(item, "").strip()]


def require_items(terms: Terms) -> None:
    """Raise ``items_missing`` naming each (R2)."""
    missing = missing_items(terms)
    if missing:
        errors = tuple(FieldError(f"/terms/items/{item}", "items_missing", "Say what is agreed.") for item in missing)
        detail = f"An agreement needs all twelve items of §8; still empty: {', '.join(missing)}."
        raise Invalid("items_missing", detail, errors=errors)


def check_terms(register: Register, agreement: Agreement, terms: Terms, day: dt.date, findings: Findings) -> None:
    """Find what is wrong with ``terms`` as they would be in force from ``day``."""
    served = _served(register, agreement, day)
    _tasks(register, served, terms, day, findings)
    _services(register, served, terms, day, findings)
    for item in sorted(set(terms.items) - set(ITEMS)):
        findings.add(f"/terms/items/{item}", "item_unknown", f"§8 has no item {item}; use one of the twelve.")
    if terms.pendency.at_receipt and "receive_document" not in terms.tasks:
        detail = "A matter can become pending at receipt only if receiving documents is among the tasks."
        findings.add("/terms/pendency/at_receipt", "pendency_without_task", detail)
    _vat(terms, findings)
    _tariffs(register, served, terms, findings)


def _served(register: Register, agreement: Agreement, day: dt.date) -> set[str]:
    """The authorities that may be named in terms: the commissioners and who holds their tasks on the day."""
    found = set(agreement.commissioner_ids)
    for party_id in agreement.commissioner_ids:
        if municipalities_of(register, agreement):
            found |= holders(register, agreement, party_id, day)
    return found - {agreement.provider_id}


def _tasks(register: Register, served: set[str], terms: Terms, day: dt.date, findings: Findings) -> None:
    known = codes.tasks_on(day)
    families = {register.parties[each].party.family for each in served if each in register.parties}
    for at, task in enumerate(terms.tasks):
        if findings.check(task in known, f"/terms/tasks/{at}", "task_unknown", f"§6 had no task {task} on {day}."):
            allowed = task != codes.MANDATE or codes.MANDATE_FAMILY in families
            detail = "Registration of mandates (571/2016 §10 b) is a task of the population register's authority only."
            findings.check(allowed, f"/terms/tasks/{at}", "task_not_of_commissioner", detail)
    _twice(terms.tasks, "/terms/tasks", "task_twice", findings)


def _services(register: Register, served: set[str], terms: Terms, day: dt.date, findings: Findings) -> None:
    for at, ref in enumerate(terms.services):
        where = f"/terms/services/{at}"
        if ref.authority_id not in served:
            findings.add(where, "service_not_of_commissioner", f"{ref.authority_id} is not a commissioner here.")
        elif register.service_on(ref.authority_id, ref.code, day) is None:
            detail = f"{ref.authority_id} has no service {ref.code} in its catalogue on {day}. Define it first."
            findings.add(where, "service_unknown", detail)
    _twice([(ref.authority_id, ref.code) for ref in terms.services], "/terms/services", "service_twice", findings)


def _vat(terms: Terms, findings: Findings) -> None:
    vat = terms.vat
    one = (vat.rate is None) != (vat.exempt_reason is None)
    findings.check(one, "/terms/vat", "vat_unclear", "State either a rate or the reason for none (KHO:2009:42).")
    if vat.exempt_reason is not None:
        known = vat.exempt_reason in codes.EXEMPT_REASONS
        findings.check(known, "/terms/vat/exempt_reason", "exempt_reason_unknown", f"No reason {vat.exempt_reason}.")


def _tariffs(register: Register, served: set[str], terms: Terms, findings: Findings) -> None:
    services = {(ref.authority_id, ref.code) for ref in terms.services}
    selectors: dict[tuple[object, ...], str] = {}
    for at, tariff in enumerate(terms.tariffs):
        where = f"/terms/tariffs/{at}"
        _tariff(register, served, services, terms, tariff, where, findings)
        if tariff.kind != codes.FIXED:
            key = (tariff.authority_id, tariff.service, tariff.task, tariff.channel)
            first = selectors.get(key)
            detail = f"Items {first} and {tariff.item} price the same acts: narrow one, or remove it."
            findings.check(first is None, where, "tariff_ambiguous", detail)
            selectors.setdefault(key, tariff.item)
    _twice([tariff.item for tariff in terms.tariffs], "/terms/tariffs", "tariff_item_twice", findings)


def _tariff(
    register: Register, served: set[str], services: set[tuple[str, str]], terms: Terms, tariff: Tariff, where: str,
    findings: Findings,
) -> None:  # fmt: skip
    """One price item by itself."""
    check, kind = findings.check, tariff.kind
    check(kind in codes.TARIFF_KINDS, f"{where}/kind", "tariff_kind_unknown", f"No tariff kind {kind}.")
    detail = f"{tariff.authority_id} is not a commissioner here."
    check(tariff.authority_id in served, f"{where}/authority_id", "tariff_not_of_commissioner", detail)
    included = (kind == codes.INCLUDED) == (tariff.included is not None)
    detail = "Exactly the kind included_then_per_act says how many acts are included."
    check(included, f"{where}/included", "tariff_included", detail)
    narrowed = tariff.service or tariff.task or tariff.channel
    detail = "A fixed fee prices no single acts, so it cannot be narrowed to some."
    check(kind != codes.FIXED or not narrowed, where, "tariff_fixed_narrowed", detail)
    if tariff.service is not None:
        of_terms = (tariff.authority_id, tariff.service) in services
        detail = f"{tariff.service} is not among the agreed services of {tariff.authority_id}."
        check(of_terms, f"{where}/service", "tariff_service_outside", detail)
    if tariff.task is not None:
        check(tariff.task in terms.tasks, f"{where}/task", "tariff_task_outside", f"{tariff.task} is not agreed on.")
    if tariff.channel is not None:
        known = tariff.channel in codes.CHANNELS
        check(known, f"{where}/channel", "channel_unknown", f"No channel {tariff.channel}.")
    if tariff.payer_id is not None:
        payer = register.parties.get(tariff.payer_id)
        fits = payer is not None and payer.party.kind in codes.AUTHORITY_KINDS
        check(fits, f"{where}/payer_id", "payer_unknown", f"{tariff.payer_id} is not a registered authority.")


def _twice(values: Iterable[object], where: str, code: str, findings: Findings) -> None:
    seen: set[object] = set()
    for at, value in enumerate(values):
        findings.check(value not in seen, f"{where}/{at}", code, f"{value} is given twice.")
        seen.add(value)
