"""Sorting and paging of a list by its address: ``?sort=total&dir=desc&page=3``. Works without JavaScript."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from fastapi import Request

PER_PAGE = 50
PAGES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Listing:
    """What the address asks for, within bounds. ``total`` is filled in with ``counted`` when it is known."""

    path: str
    query: tuple[tuple[str, str], ...]
    sort: str
    descending: bool
    page: int
    per_page: int = PER_PAGE
    total: int = 0

    @property
    def offset(self) -> int:
        """Rows to skip."""
        return (self.page - 1) * self.per_page

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // self.per_page))

    @property
    def first(self) -> int:
        """Number of the first row shown, from 1; 0 when there is none."""
        return min(self.offset + 1, self.total)

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return min(self.offset + self.per_page, self.total)

    def counted(self, total: int) -> "Listing":
        """The same listing, knowing how many rows there are; a page beyond the end becomes the last one."""
        pages = max(1, -(-total // self.per_page))
        page = min(self.page, pages)
        return Listing(self.path, self.query, self.sort, self.descending, page, self.per_page, total)

    def url(self, **changes: str | int | None) -> str:
        """This address with parameters changed; None drops one."""
        merged: dict[str, str | int | None] = {**dict(self.query), **changes}
        kept = {key: value for key, value in merged.items() if value is not None}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def sort_url(self, column: str) -> str:
        """Sort by the column; the other way round if it is sorted by it already. Begins at the first page."""
        turn = column == self.sort and not self.descending
        return self.url(sort=column, dir="desc" if turn else "asc", page=None)

    def page_url(self, page: int) -> str:
        """Another page of the same list."""
        return self.url(page=page if page > 1 else None)

    def aria_sort(self, column: str) -> Literal["ascending", "descending"] | None:
        """For the header cell."""
        if column != self.sort:
            return None
        return "descending" if self.descending else "ascending"

    def page_numbers(self) -> list[int | None]:
        """Pages to link: first, last and the neighbours; None where some are left out."""
        near = {1, self.pages, *range(max(1, self.page - 1), min(self.pages, self.page + 1) + 1)}
        numbers: list[int | None] = []
        for number in sorted(near):
            if numbers and numbers[-1] is not None and number > numbers[-1] + 1:
                numbers.append(None)
            numbers.append(number)
        return numbers


def listing(request: Request, sortable: Sequence[str], *, default: str, descending: bool = False) -> Listing:
    """Read the address. What is not sortable or not a number falls back to the default, never to an error."""
    query = request.query_params
    sort = query.get("sort", "")
    known = sort in sortable
    raw_page = query.get("page", "1")
    page = int(raw_page) if raw_page.isascii() and raw_page.isdecimal() and len(raw_page) < 9 else 1
    return Listing(
        path=request.url.path,
        query=tuple((key, value) for key, value in query.items() if key != "lang"),
        sort=sort if known else default,
        descending=query.get("dir") == "desc" if known else descending,
        page=min(max(page, 1), PAGES_MAX),
    )
