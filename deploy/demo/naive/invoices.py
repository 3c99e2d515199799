"""Proofs about invoices: documents against what is due, a line against its acts, a credit note against its cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from deploy.demo.naive.evidence import demand
from deploy.demo.naive.rating import Due, Key, Terms, billed_units, cents, plain
from deploy.demo.naive.visits import Visit, month_of

Document = dict[str, Any]
ZERO = Due(0, Decimal("0.00"))


def invoiced(documents: Sequence[Document]) -> dict[Key, Due]:
    """What a series of documents says in sum: lines and the lines that took them back, added up by key."""
    sums: dict[Key, Due] = defaultdict(lambda: ZERO)
    for document in documents:
        for line in document["lines"]:
            key = key_of(document, line)
            had = sums[key]
            sums[key] = Due(had.quantity + line["quantity"], had.amount + Decimal(line["amount"]))
    return {key: value for key, value in sums.items() if value != ZERO}


def key_of(document: Document, line: Document) -> Key:
    return Key(
        document["provider_id"], document["payer_id"], line["agreement_id"], line["commissioner_id"],
        line["service_month"], line["item"], line["clause"], plain(line["unit_price"]),
    )  # fmt: skip


def check_invoiced(documents: Sequence[Document], owed: Mapping[Key, Due]) -> Decimal:
    """Every cent that is due has been invoiced, and no other. Returns the sum. Raises Refused."""
    for document in documents:
        check_document(document)
    found = invoiced(documents)
    for key in sorted(found.keys() | owed.keys()):
        said, due = found.get(key, ZERO), owed.get(key, ZERO)
        demand(said == due, f"{key}: invoiced {said.quantity} = {said.amount} €, due {due.quantity} = {due.amount} €")
    return sum((value.amount for value in found.values()), Decimal("0.00"))


def check_document(document: Document) -> None:
    """A document adds up; each line is quantity × price, except a fee, which is of a part of a month."""
    for number, line in enumerate(document["lines"], 1):
        demand(line["line_no"] == number, f"{document['number']}: line {number} is missing")
        if line["clause"] != "fixed_monthly":
            sign = -1 if line["quantity"] < 0 else 1
            made = sign * cents(Decimal(line["unit_price"]) * abs(line["quantity"]))
            demand(made == Decimal(line["amount"]), f"{document['number']} line {number}: {made} ≠ {line['amount']}")
    bases = sum((Decimal(vat["base"]) + Decimal(vat["vat"]) for vat in document["vat"]), Decimal(0))
    lines = sum((Decimal(line["amount"]) for line in document["lines"]), Decimal(0))
    taxes = sum((Decimal(vat["vat"]) for vat in document["vat"]), Decimal(0))
    demand(lines + taxes == bases == Decimal(document["total"]), f"{document['number']}: the total is not the sum")


def check_numbers(documents: Sequence[Document]) -> None:
    """Each provider's numbers run without a gap from 1 within a year, in the order of the log. Raises Refused."""
    last: dict[tuple[str, str], int] = defaultdict(int)
    for document in documents:
        code, year, serial = document["number"].rsplit("-", 2)
        last[code, year] += 1
        demand(int(serial) == last[code, year], f"{document['number']} does not follow {last[code, year] - 1}")


def check_explanation(
    document: Document, line_no: int, explanation: Document, visits: Mapping[str, Visit], terms: Terms
) -> None:
    """The acts that the service names are exactly those that make the line, under the version it names.

    ``visits`` and ``terms`` as known at the document's cut-offs; the explanation as the provider reads it, with all its
    acts. Raises Refused.
    """
    line = document["lines"][line_no - 1]
    for name in ("agreement_id", "agreement_version", "quantity", "unit_price", "amount", "clause"):
        demand(explanation[name] == line[name], f"the explanation says {explanation[name]!r} as {name}")
    expected = _acts_of(document, line, visits, terms)
    shown = {(act["visit_ref"], act["act_no"]) for act in explanation["acts"]}
    demand(len(shown) == len(explanation["acts"]), "an act is named twice")
    demand(shown == expected.keys(), f"{len(shown)} acts are named, {len(expected)} make the line")
    sign = -1 if line["quantity"] < 0 else 1
    quantity = sum(expected.values())
    demand(sign * quantity == line["quantity"], f"the acts make {quantity}, the line says {line['quantity']}")
    made = sign * cents(Decimal(line["unit_price"]) * quantity)
    demand(made == Decimal(line["amount"]), f"the acts make {made} €, the line says {line['amount']}")
    for act in explanation["acts"]:
        demand(act["sign"] == sign, "an act has the wrong sign")
        demand(act["agreement_version"] == line["agreement_version"], "an act is under another version")


def _acts_of(
    document: Document, line: Document, visits: Mapping[str, Visit], terms: Terms
) -> dict[tuple[str, int], int]:
    """(visit, act number) → units, of the acts that the line is about."""
    wanted = key_of(document, line)
    found: dict[tuple[str, int], int] = {}
    before = 0
    mine = [v for v in visits.values() if v["provider_id"] == wanted.provider and month_of(v) == wanted.month]
    for visit in sorted(mine, key=lambda each: (each["service_day"], each["first"])):
        for act in visit["acts"]:
            priced = terms.price_of(visit, act)
            if priced is None or (priced.agreement, priced.payer, priced.item["item"]) != _quota(wanted):
                continue
            if (priced.item["kind"], plain(priced.item["price"])) == (wanted.clause, wanted.price):
                found[visit["visit_id"], act["act_no"]] = billed_units(priced.item, act, before)
            before += act["quantity"]
    return found


def _quota(key: Key) -> tuple[str, str, str]:
    return key.agreement, key.payer, key.item


def check_credit_note(credit: Document, first: Document, before: Mapping[Key, Due], after: Mapping[Key, Due]) -> None:
    """A credit note is negative, names the invoice it corrects, and is the difference to the cent. Raises Refused."""
    demand(credit["kind"] == "credit_note", f"{credit['number']} is not a credit note")
    demand(Decimal(credit["total"]) < 0, f"{credit['number']} credits nothing")
    demand(first["number"] in credit["corrects"], f"{credit['number']} does not name {first['number']}")
    check_difference([credit], credit["payer_id"], before, after)


def check_difference(
    documents: Sequence[Document], payer: str, before: Mapping[Key, Due], after: Mapping[Key, Due]
) -> dict[str, Decimal]:
    """Documents to one payer are exactly due now − due before, key by key. Returns the difference by month."""
    for document in documents:
        check_document(document)
    found = invoiced(documents)
    months: dict[str, Decimal] = defaultdict(Decimal)
    for key in before.keys() | after.keys() | found.keys():
        if key.payer == payer:
            had, has = before.get(key, ZERO), after.get(key, ZERO)
            change = Due(has.quantity - had.quantity, has.amount - had.amount)
            said = found.get(key, ZERO)
            demand(said == change, f"{key}: invoiced a difference of {said.amount} €, it is {change.amount} €")
            months[key.month] += change.amount
    return dict(months)


def check_untouched(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
    """Documents are the same bytes as ever. Raises Refused."""
    for number, body in before.items():
        demand(after.get(number) == body, f"{number} has changed since it was issued")
