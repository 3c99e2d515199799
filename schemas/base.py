"""What every event model stands on: the writer is closed, the reader is open.

A model refuses unknown fields when it is made (:class:`EventData`), so that a typing slip never reaches the log; its
:func:`reader` twin ignores them, so that a newer writer never breaks an older reader. Code lists are checked by the
deciders against the date of the event, not here: a schema with an enumeration would break old readers at each new
member.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")]
"""Id of a party or a service point."""
Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")]
"""A member of a published code list (task, channel, language, reason …)."""
ServiceCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
"""Code of a service in an authority's catalogue."""
StaffRef = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{4,64}$")]
"""Pseudonym of an adviser; only the provider can tell who it is."""
Money = Annotated[str, Field(pattern=r"^-?(0|[1-9][0-9]{0,11})\.[0-9]{2}$")]
"""Euros with exactly two decimals, as a string: there are no floats in an event."""
Price = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,8})\.[0-9]{2,4}$")]
"""Euros per unit, never negative, two to four decimals."""
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 or HMAC-SHA-256 in lower-case hexadecimal."""
Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
"""Calendar month in Helsinki, ``2026-10``."""
Position = Annotated[int, Field(ge=0)]


def _aware(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs its offset from UTC, such as 2026-11-24T10:15:00+02:00")
    return value


Moment = Annotated[dt.datetime, AfterValidator(_aware)]
"""RFC 3339 time with offset."""


class Part(BaseModel):
    """A value inside an event: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EventData(Part):
    """The ``data`` of an event. Subclasses are registered by :func:`schemas.registry.event`."""

    TYPE: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1


class Names(Part):
    """A name in the three languages of the system; Northern Sámi where given."""

    fi: Annotated[str, Field(min_length=1, max_length=160)]
    sv: Annotated[str, Field(min_length=1, max_length=160)]
    en: Annotated[str, Field(min_length=1, max_length=160)]
    se: Annotated[str, Field(min_length=1, max_length=160)] | None = None


_READERS: dict[type[BaseModel], type[BaseModel]] = {}


def reader(model: type[BaseModel]) -> type[BaseModel]:
    """The open twin of ``model``: same fields, unknown ones ignored, all the way down."""
    if model not in _READERS:
        fields: dict[str, Any] = {
            name: (_open(info.rebuild_annotation()), info.default if not info.is_required() else ...)
            for name, info in model.model_fields.items()
        }
        _READERS[model] = create_model(model.__name__, __config__=ConfigDict(extra="ignore", frozen=True), **fields)
    return _READERS[model]


def _open(annotation: Any) -> Any:
    """``annotation`` with every closed model inside it replaced by its reader."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return reader(annotation)
    arguments = getattr(annotation, "__args__", None)
    if not arguments:
        return annotation
    if hasattr(annotation, "__metadata__"):
        return Annotated[(_open(annotation.__origin__), *annotation.__metadata__)]
    opened = tuple(_open(argument) for argument in arguments)
    return (
        annotation
        if opened == arguments
        else annotation.copy_with(opened)
        if hasattr(annotation, "copy_with")
        else _rebuild(annotation, opened)
    )


def _rebuild(annotation: Any, arguments: tuple[Any, ...]) -> Any:
    """A builtin generic (``tuple[Act, ...]``) or a union with other arguments."""
    origin = getattr(annotation, "__origin__", None)
    if origin is None:  # a PEP 604 union such as ``Late | None``
        joined = arguments[0]
        for argument in arguments[1:]:
            joined = joined | argument
        return joined
    return origin[arguments]


__all__ = [
    "UUID",
    "Code",
    "EventData",
    "Hash",
    "Moment",
    "Money",
    "Month",
    "Names",
    "Part",
    "Position",
    "Price",
    "ServiceCode",
    "Slug",
    "StaffRef",
    "reader",
]
