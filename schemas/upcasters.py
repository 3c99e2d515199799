"""Old events made new while they are read: one pure ``dict → dict`` per old version, chained to the newest, kept for
ever.

An upcaster sees the ``data`` of one event, changes nothing in it, and needs nothing else: no clock, no table, no
network. A type that folds read has a Polars twin in :mod:`schemas.twins`, proven equal on the samples and on generated
events; until old versions are many, folds read them one by one through these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from schemas import catalogue
from schemas.base import reader
from schemas.envelope import Attributes, decode

Data = dict[str, Any]
Upcast = Callable[[Data], Data]

UPCASTERS: dict[str, tuple[str, Upcast]] = {}
"""Old type → (the type it becomes, how)."""


def upcaster(old: str, new: str) -> Callable[[Upcast], Upcast]:
    """Register the step from ``old`` to ``new``, both full type names."""

    def register(function: Upcast) -> Upcast:
        if old in UPCASTERS:
            raise ValueError(f"{old} has an upcaster already")
        UPCASTERS[old] = (new, function)
        return function

    return register


def upcast(type_name: str, data: Data) -> tuple[str, Data]:
    """The newest form of an event; the same objects when there is nothing to do."""
    while (step := UPCASTERS.get(type_name)) is not None:
        type_name, function = step
        data = function(data)
    return type_name, data


@dataclass(frozen=True, slots=True)
class Read:
    """An event as the reader has it. ``data`` is None for a type that this version does not know: ignore and count."""

    attributes: Attributes
    type: str
    data: BaseModel | None


def read(raw: bytes) -> Read:
    """Decode, upcast and validate by the open reader model; raises :class:`pydantic.ValidationError` or UpcastError."""
    attributes = decode(raw)
    try:
        type_name, data = upcast(attributes.type, attributes.data)
    except (KeyError, TypeError, ValueError) as problem:
        raise UpcastError(f"event {attributes.id} of {attributes.type} cannot be made new: {problem!r}") from problem
    model = catalogue.model_of(type_name)
    return Read(attributes, type_name, reader(model).model_validate(data) if model else None)


class UpcastError(ValueError):
    """An old event is not what its published schema says."""


@upcaster("fi.yhteispalvelu.diary.VisitRecorded.v0", "fi.yhteispalvelu.diary.VisitRecorded.v1")
def visit_recorded_v0(data: Data) -> Data:
    """The pilot's format, before the contract was fixed.

    The pilot ran at counters only, so it had no ``place``; and its form sent ``minutes`` as the text of an input field.
    """
    visit = data["visit"]
    return data | {"visit": visit | {"place": "point", "acts": [_act_v0(act) for act in visit["acts"]]}}


def _act_v0(act: Data) -> Data:
    return act if act.get("minutes") is None else act | {"minutes": int(act["minutes"])}
