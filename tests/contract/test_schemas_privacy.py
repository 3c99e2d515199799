"""No event can hold a person's data (X8), and none holds a float.

Two nets: names that suggest personal data or free text, and strings that nothing bounds to a code, an id or a moment.
What is let through stands in :data:`ALLOWED` with its reason.
"""

from __future__ import annotations

import re
from typing import Annotated

import pytest
from pydantic import Field

from schemas import catalogue
from schemas.base import EventData
from schemas.publish import short_name
from schemas.shape import Node, shape, walk

PERSONAL = re.compile(
    r"(^|_)(name|names|firstname|surname|hetu|ssn|birth|birthday|gender|email|mail|phone|mobile|address|street|person"
    r"|customer|citizen|text|note|notes|comment|comments|description|message|remark|title|nationality|ip|photo)(_|$)"
)
ALLOWED = {
    r"agreements\.ServicePoint\w+: point\.(names(\.(fi|sv|en|se))?|village|opening_exceptions)": "public data",
    r"agreements\.ServicePoint\w+: point\.(visiting_address|postal_address|email|phone|responsible_title)":
        "the office's own public contact data; a title, never a name",
    r"agreements\.Party\w+: (party\.)?names(\.(fi|sv|en|se))?": "names of authorities and municipalities",
    r"agreements\.ServiceDefined: names(\.(fi|sv|en|se))?": "names of services",
    r"(authority\.)?agreements\.Agreement\w+: terms\.items(\{\})?": "the written agreement between two authorities",
    r"(authority\.)?billing\.(InvoiceIssued|CreditNoteIssued): (lines\[\]\.(item|vat_rate)|vat\[\]\.rate)":
        "a tariff's key and a rate, copied from the terms, which bound them",
}  # fmt: skip


def is_free(node: Node) -> bool:
    """A string that may say anything."""
    return node.kind == "string" and not node.format and not node.bounds.keys() & {"pattern", "enum"}


def suspicious(model: type[EventData]) -> set[str]:
    """``type: path`` of every field that one of the nets catches."""
    short, _ = short_name(model.TYPE)
    return {
        f"{short}: {path}"
        for path, node in walk(shape(model))
        if is_free(node) or PERSONAL.search(re.split(r"[.\[{]", path.removesuffix("[]").removesuffix("{}"))[-1])
    }


def let_through(place: str) -> bool:
    return any(re.fullmatch(pattern, place) for pattern in ALLOWED)


def test_no_event_can_hold_a_persons_data() -> None:
    found = {place for model in catalogue.types().values() for place in suspicious(model)}
    assert sorted(place for place in found if not let_through(place)) == []


def test_nothing_is_allowed_that_is_not_there() -> None:
    found = {place for model in catalogue.types().values() for place in suspicious(model)}
    assert [pattern for pattern in ALLOWED if not any(re.fullmatch(pattern, place) for place in found)] == []


def test_the_diary_needs_no_exception() -> None:
    assert [pattern for pattern in ALLOWED if re.search("diary", pattern)] == []


class Leaky(EventData):
    customer_name: Annotated[str, Field(pattern="^[A-Z]+$")]
    remark: str
    customers: int
    home_address: Annotated[str, Field(max_length=4)]


Leaky.TYPE = "fi.yhteispalvelu.diary.Leaky.v1"


class Floating(EventData):
    amount: float


def test_the_nets_catch_a_leak() -> None:
    leaks = {f"diary.Leaky: {name}" for name in ("customer_name", "remark", "home_address")}
    assert suspicious(Leaky) == leaks
    assert not any(map(let_through, leaks))


def test_no_event_holds_a_float() -> None:
    for model in catalogue.types().values():
        assert {node.kind for _, node in walk(shape(model))} <= {
            "object",
            "array",
            "map",
            "string",
            "integer",
            "boolean",
        }
    with pytest.raises(ValueError, match="number"):
        shape(Floating)
