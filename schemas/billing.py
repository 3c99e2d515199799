"""Events of billing: what was invoiced. Nothing issued changes; a change is a later document (R28)."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import Field

from schemas.base import Code, EventData, Hash, Money, Month, Part, Position, Price, Slug
from schemas.registry import event

InvoiceNumber = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{2,19}$")]


class LineRef(Part):
    """A line of an earlier document."""

    number: InvoiceNumber
    line_no: Annotated[int, Field(ge=1)]


class Line(Part):
    """One line. Its key is (agreement, payer, service month, tariff item, VAT rate).

    quantity: acts, minutes or days of the month, as ``unit`` says; negative on a line that takes an earlier one back.
    ``clause`` names the rule applied; ``reverses`` the line taken back.
    """

    line_no: Annotated[int, Field(ge=1)]
    agreement_id: UUID
    agreement_version: Annotated[int, Field(ge=1)]
    commissioner_id: Slug
    service_month: Month
    item: str
    clause: Code
    unit: Code
    quantity: int
    unit_price: Price
    amount: Money
    vat_rate: str | None = None
    exempt_reason: Code | None = None
    reverses: LineRef | None = None


class VatTotal(Part):
    rate: str | None = None
    exempt_reason: Code | None = None
    base: Money
    vat: Money


class CutOffs(Part):
    """The sealed log positions up to which the document knew the acts and the terms."""

    diary: Position
    agreements: Position


class FeedRange(Part):
    """The payer's own feed entries that the document rests on (B13): count and root of its tree at ``last``."""

    feed: Slug
    last: Position
    root: Hash | None = None


class _Document(EventData):
    invoice_id: UUID
    run_id: UUID
    number: InvoiceNumber
    provider_id: Slug
    payer_id: Slug
    period: Month
    issued_on: dt.date
    due_on: dt.date
    reference: Annotated[str, Field(pattern=r"^[0-9]{4,20}$")]
    rating_version: Annotated[int, Field(ge=1)]
    cut_offs: CutOffs
    feed: FeedRange | None = None
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=20_000)]
    vat: tuple[VatTotal, ...]
    total: Money
    corrects: tuple[InvoiceNumber, ...] = ()


@event("billing")
class InvoiceIssued(_Document):
    """A document whose total is zero or more (UNTDID 1001: 380)."""


@event("billing")
class CreditNoteIssued(_Document):
    """A document whose total is negative; lists the numbers it corrects (UNTDID 1001: 381)."""


@event("billing")
class BillingPeriodClosed(EventData):
    """A run for a provider and month is done; ``documents`` may be none.

    ``opens``: the first month for which fixed fees are invoiced, settled by the provider's first run.
    """

    provider_id: Slug
    period: Month
    opens: Month | None = None
    run_id: UUID
    cut_offs: CutOffs
    documents: tuple[InvoiceNumber, ...]
