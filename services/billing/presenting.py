"""What pages show: names instead of ids, sentences instead of codes, lines grouped by their month of service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.billing import Line
from services.billing import reading
from services.billing.domain.money import amount_text, cents, ten_thousandths, vat_cents
from services.billing.domain.periods import days_in
from services.billing.domain.terms import FIXED, Book, Price
from services.billing.reading import Document
from services.chassis.web.format import Formatter


@dataclass(frozen=True, slots=True)
class Words:
    """Texts, formats and names in the language of the request."""

    request: Request
    parties: dict[str, dict[str, Any]]
    points: dict[str, dict[str, str]]

    @property
    def language(self) -> str:
        language: str = self.request.app.state.web.language(self.request)
        return language

    @property
    def fmt(self) -> Formatter:
        formatter: Formatter = self.request.app.state.web.formatter(self.request)
        return formatter

    def text(self, key: str, **values: object) -> str:
        message: str = self.request.app.state.web.text(self.request, key, **values)
        return message

    def has(self, key: str) -> bool:
        environment = self.request.app.state.web.templates.environments[self.language]
        return bool(environment.globals["has_text"](key))

    def code(self, prefix: str, code: str) -> str:
        """The text of a code, or the code itself where this version has no text for it."""
        return self.text(f"{prefix}.{code}") if self.has(f"{prefix}.{code}") else code

    def party(self, party_id: str) -> str:
        return self._named(self.parties.get(party_id, {}).get("names", {}), party_id)

    def business_id(self, party_id: str) -> str | None:
        found: str | None = self.parties.get(party_id, {}).get("business_id")
        return found

    def point(self, point_id: str) -> str:
        return self._named(self.points.get(point_id, {}), point_id)

    def _named(self, names: dict[str, str], otherwise: str) -> str:
        return names.get(self.language) or names.get("fi") or otherwise

    def quantity(self, line: Line) -> str:
        """``4 acts``, ``27 min``, ``20/31 days``."""
        number = self.fmt.number(line.quantity)
        if line.clause == FIXED:
            return self.text("bil.unit.days", days=number, of=days_in(line.service_month))
        return f"{number}\u00a0{self.code('bil.unit', line.unit)}"

    def price(self, price: str) -> str:
        """Euros with as many decimals as the price has, two at least."""
        return f"{self.fmt.number(price, len(price.partition('.')[2]))}\u00a0€"


async def words_of(
    connection: AsyncConnection, request: Request, parties: Iterable[str], points: Iterable[str] = ()
) -> Words:
    """Names of what the page shows. Party names are the last known ones: an invoice names parties by their ids."""
    wanted = sorted(set(points))
    return Words(
        request,
        await reading.party_names(connection, sorted(set(parties))),
        await reading.point_names(connection, wanted) if wanted else {},
    )


def priced_as(book: Book, line: Line) -> Price | None:
    """The tariff item of a line in the version that it names."""
    for version in book.by_agreement.get(str(line.agreement_id), ()):
        if version.version == line.agreement_version:
            fitting = [price for price in version.prices if price.item == line.item]
            exact = [price for price in fitting if price.price == ten_thousandths(line.unit_price)]
            return next(iter(exact or fitting), None)
    return None


def describe(words: Words, line: Line, price: Price | None) -> str:
    """What is charged, in words: the clause, and what the item narrows it to."""
    narrowed = []
    if price is not None:
        narrowed = [price.service] if price.service else []
        narrowed += [words.code("task", price.task)] if price.task else []
        narrowed += [words.code("channel", price.channel)] if price.channel else []
    clause = words.code("bil.clause", line.clause)
    return f"{clause}: {', '.join(narrowed)}" if narrowed else clause


def month_groups(
    words: Words, document: Document, book: Book, ids: dict[str, UUID], later: dict[int, tuple[str, UUID]]
) -> list[dict[str, Any]]:
    """Lines by month of service, with their subtotals."""
    groups: dict[str, list[dict[str, Any]]] = {}
    sums: dict[str, int] = {}
    for line in document.lines:
        month = line.service_month
        groups.setdefault(month, []).append(_line_row(words, line, book, ids, later.get(line.line_no)))
        sums[month] = sums.get(month, 0) + cents(line.amount)
    return [{"month": month, "lines": rows, "sum": amount_text(sums[month])} for month, rows in sorted(groups.items())]


def _line_row(
    words: Words, line: Line, book: Book, ids: dict[str, UUID], later: tuple[str, UUID] | None
) -> dict[str, Any]:
    return {
        "line_no": line.line_no,
        "what": describe(words, line, priced_as(book, line)),
        "item": line.item,
        "commissioner": words.party(line.commissioner_id),
        "quantity": words.quantity(line),
        "price": words.price(line.unit_price),
        "amount": line.amount,
        "reverses": line.reverses,
        "reverses_id": ids.get(line.reverses.number) if line.reverses else None,
        "later": later,
    }


def vat_rows(words: Words, document: Document) -> list[dict[str, Any]]:
    """VAT per rate, or the reason for none."""
    return [
        {
            "what": words.text("bil.vat.rate", rate=words.fmt.number(each.rate, _decimals(each.rate)))
            if each.rate
            else words.code("bil.vat.none", each.exempt_reason or "unstated"),
            "base": each.base,
            "vat": each.vat if each.rate else None,
        }
        for each in document.vat
    ]


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def vat_residual(document: Document, earlier: Sequence[Document]) -> int:
    """Cents by which the VAT of this and the corrected documents differs from VAT on their joint sum (R29)."""
    residual = 0
    for rate in sorted({each.rate for each in document.vat if each.rate}):
        parts = [each for issued in (document, *earlier) for each in issued.vat if each.rate == rate]
        residual += sum(cents(each.vat) for each in parts) - vat_cents(sum(cents(each.base) for each in parts), rate)
    return residual
