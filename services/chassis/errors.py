"""One root of all expected errors: each says what is wrong, where, and what to do, and never names another's data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one part of a request. ``pointer`` is a JSON Pointer (RFC 6901) into the body."""

    pointer: str
    code: str
    detail: str = ""


class ApudiaariError(Exception):
    """An expected refusal. ``code`` is stable and part of the contract; ``status`` is the HTTP status it maps to."""

    status = 400

    def __init__(
        self,
        code: str,
        detail: str,
        status: int | None = None,
        *,
        pointer: str | None = None,
        errors: tuple[FieldError, ...] = (),
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = status or type(self).status
        self.errors = errors or ((FieldError(pointer, code, detail),) if pointer else ())


class Invalid(ApudiaariError):
    """The request is understood but breaks a rule; nothing was changed."""

    status = 422


class Conflict(ApudiaariError):
    """The request contradicts what is recorded (``id_reused``, ``stale`` …); read again and decide."""

    status = 409


class NotFound(ApudiaariError):
    """There is no such thing for this caller."""

    status = 404


class Forbidden(ApudiaariError):
    """The caller may not do this."""

    status = 403


class TooLarge(ApudiaariError):
    """An outside input is over its limit."""

    status = 413


class Unavailable(ApudiaariError):
    """Try again, with the same id: whether it was done is not known (``outcome_unknown``) or it was not (``busy``)."""

    status = 503
