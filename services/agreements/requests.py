"""Requests as commands: which command a method and path mean, and by which id it is known again (design.md §4).

Used by the HTTP routes and by bulk loads, so that both mean the same. Where the path names the thing to be made
(``PUT``), the command's id follows from it: the same request again is a repeat, another body is ``id_reused``.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from pydantic import BaseModel, ValidationError

from services.agreements.domain import commands as wish
from services.chassis.access import Principal
from services.chassis.errors import FieldError, Invalid, NotFound
from services.chassis.log import Command

_IDS = UUID("2f6c3e0a-8c55-5b0e-9a52-6a67a3a3f0d1")

_POSTS: dict[tuple[str, str], type[BaseModel]] = {
    ("parties", "renaming"): wish.RenameParty,
    ("parties", "succession"): wish.SucceedParty,
    ("service-points", "changes"): wish.ChangePoint,
    ("service-points", "closing"): wish.ClosePoint,
    ("agreements", "draft"): wish.RedraftAgreement,
    ("agreements", "approvals"): wish.ApproveVersion,
    ("agreements", "amendments"): wish.AmendAgreement,
    ("agreements", "termination"): wish.TerminateAgreement,
}


def put_party(party_id: str, payload: wish.RegisterParty, principal: Principal) -> Command:
    return Command.of(uuid5(_IDS, f"party:{party_id}"), payload, principal, target=party_id)


def put_point(point_id: str, payload: wish.RegisterPoint, principal: Principal) -> Command:
    return Command.of(uuid5(_IDS, f"point:{point_id}"), payload, principal, target=point_id)


def put_service(authority_id: str, code: str, payload: wish.DefineService, principal: Principal) -> Command:
    """A service is defined anew from another day on; so the day belongs to the id."""
    target = f"{authority_id}:{code}"
    return Command.of(uuid5(_IDS, f"service:{target}:{payload.valid_from}"), payload, principal, target=target)


def put_agreement(agreement_id: UUID, payload: wish.ProposeAgreement, principal: Principal) -> Command:
    return Command.of(agreement_id, payload, principal, target=str(agreement_id))


def command_of(method: str, path: str, body: dict[str, Any], principal: Principal) -> Command:
    """The command of a request as it would come over HTTP; for bulk loads through ``Writer.append``.

    A ``POST`` without ``id`` gets one that follows from its path and first dated field, so that a load may be repeated.
    Raises :class:`~services.chassis.errors.Invalid` like the HTTP edge does.
    """
    parts = path.removeprefix("/api/").split("/")
    if method == "PUT":
        return _put(parts, body, principal)
    model = _POSTS.get((parts[0], parts[-1]))
    if model is None:
        raise NotFound("not_found", f"No command is known by {method} {path}.")
    payload = _parse(model, {name: value for name, value in body.items() if name != "id"})
    command_id = UUID(body["id"]) if "id" in body else uuid5(_IDS, f"{path} {payload.model_dump_json()}")
    return Command.of(command_id, payload, principal, target=parts[1])


def _put(parts: list[str], body: dict[str, Any], principal: Principal) -> Command:
    match parts:
        case ["parties", party_id]:
            return put_party(party_id, _parse(wish.RegisterParty, body), principal)
        case ["service-points", point_id]:
            return put_point(point_id, _parse(wish.RegisterPoint, body), principal)
        case ["services", authority_id, code]:
            return put_service(authority_id, code, _parse(wish.DefineService, body), principal)
        case ["agreements", agreement_id]:
            return put_agreement(UUID(agreement_id), _parse(wish.ProposeAgreement, body), principal)
    raise NotFound("not_found", f"No command is known by PUT /api/{'/'.join(parts)}.")


def _parse(model: type[Any], body: dict[str, Any]) -> Any:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        errors = tuple(
            FieldError("".join(f"/{part}" for part in each["loc"]), each["type"], each["msg"])
            for each in error.errors()
        )
        raise Invalid("invalid_request", "The body does not have the agreed shape.", errors=errors) from error
