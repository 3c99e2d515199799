"""Refusals of the deciders: all that is wrong with an entry is found first, then said at once."""

from __future__ import annotations

from services.chassis.errors import Conflict, FieldError, Invalid


class Findings:
    """What is wrong with a request so far."""

    def __init__(self, base: str = "") -> None:
        self._base = base
        self.errors: list[FieldError] = []

    def add(self, pointer: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(self._base + pointer, code, detail))

    def refuse(self) -> None:
        """Raise if anything was found. The first finding gives the code."""
        if self.errors:
            first = self.errors[0]
            raise Invalid(first.code, first.detail, errors=tuple(self.errors))


def stale(based_on: int, version: int) -> Conflict:
    """The request was based on a version that is no longer, or not yet, the current one."""
    detail = f"Based on version {based_on}; the current version is {version}. Read it again and decide."
    return Conflict("stale", detail, pointer="/based_on")


def reused() -> Conflict:
    """The id names something recorded by another request."""
    return Conflict("id_reused", "This id was used for another request. Make a new id.")
