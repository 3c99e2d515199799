"""Every event type the system knows, by its full CloudEvents type name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from schemas.base import EventData

Model = TypeVar("Model", bound=type[EventData])

_TYPES: dict[str, type[EventData]] = {}
NAMESPACE = "fi.yhteispalvelu"


def event(area: str, version: int = 1) -> Callable[[Model], Model]:
    """Register an event model of ``area`` (a service, or ``authority.<service>`` for copies) under its class name."""

    def register(model: Model) -> Model:
        name = f"{NAMESPACE}.{area}.{model.__name__.removeprefix('Authority')}.v{version}"
        if name in _TYPES:
            raise ValueError(f"event type {name} is registered twice")
        model.TYPE, model.VERSION = name, version
        _TYPES[name] = model
        return model

    return register


def types() -> Mapping[str, type[EventData]]:
    """All registered types. Importing :mod:`schemas.catalogue` makes it complete."""
    return MappingProxyType(_TYPES)


def model_of(type_name: str) -> type[EventData] | None:
    """The model of a type, or None for a type this version does not know (ignored and counted by readers)."""
    return _TYPES.get(type_name)
