"""Documents at the counter: one key stamps the moment, the details follow, and the receipt is shown."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from schemas.diary import DocumentForwarded, DocumentReceived
from schemas.envelope import decode
from services.chassis import access, clock
from services.chassis.access import Action, Principal, Resource
from services.chassis.errors import ApudiaariError
from services.chassis.evidence.canonical import strict_object
from services.chassis.identity import rule
from services.chassis.problems import field_errors
from services.chassis.runtime import Here
from services.diary import desk, handlers, pages, store
from services.diary.choices import ServiceChoice
from services.diary.domain import codes
from services.diary.domain.documents import STAMP_LIFE
from services.diary.domain.entries import ForwardDocument, ReceiveDocument
from services.diary.pages import Room, room_of, web_of
from services.diary.receipts import receipt_of
from services.diary.staff import staff_ref

Receiver = Annotated[Principal, rule(Action.RECORD_DOCUMENT)]
ReceiptReader = Annotated[Principal, rule(Action.READ_RECEIPT)]
RECEIVES = "receive_document"
FIELDS = ("service", "kind", "mode", "title", "pages", "sender", "reference", "deadline", "language")

router = APIRouter(include_in_schema=False)


@router.post("/counter/stamps")
async def stamp(request: Request, who: Receiver, here: Here) -> Response:
    """Stamp now, then ask for the details."""
    async with request.form(max_files=0, max_fields=10) as data:
        point = str(data.get("point", ""))[:80]
    stamp_id = uuid4()
    await desk.stamp(here, who, stamp_id, point)
    return RedirectResponse(f"/counter/documents/new?stamp_id={stamp_id}", 303)


@router.get("/counter/documents/new")
async def document_form(request: Request, who: Receiver, here: Here, stamp_id: Annotated[UUID, Query()]) -> Response:
    """The details of a stamped document."""
    kept = await _stamp(here, who, stamp_id)
    room = await room_of(request, here, who, kept.service_point_id)
    form = dict.fromkeys(FIELDS, "") | {"kind": "application", "mode": "handed_over", "language": "fi"}
    form |= {"document_id": str(uuid4()), "visit_id": str(uuid4())}
    return _form_page(request, room, kept, form)


async def _stamp(here: Here, who: Principal, stamp_id: UUID) -> Any:
    """The principal's own stamp. What is not there and what is another's look the same."""
    async with here.database.reading() as connection:
        kept = next(iter(await store.stamps(connection, [stamp_id])), None)
    if kept is None or kept.recorder != staff_ref(here.settings.feed_secret_bytes, who):
        raise access.refusal(who, secret=True)
    return kept


def _form_page(
    request: Request, room: Room, kept: Any, form: dict[str, str], error: ApudiaariError | None = None
) -> HTMLResponse:
    receiving = [
        (authority, services)
        for authority in room.authorities(room.today)
        if (services := _receiving(authority.services))
    ]
    errors = pages.errors_of(request, error)
    return web_of(request).page(
        request,
        "document_new.html",
        status=error.status if error else 200,
        room=room,
        stamp=kept,
        expires=kept.stamped_at + STAMP_LIFE,
        form=form,
        codes=codes,
        authorities=receiving,
        errors=errors,
        field_errors={each["field"]: each["text"] for each in errors if each["field"]},
    )


def _receiving(services: tuple[ServiceChoice, ...]) -> list[ServiceChoice]:
    return [service for service in services if RECEIVES in service.tasks]


@router.post("/counter/documents/new")
async def receive(request: Request, who: Receiver, here: Here, stamp_id: Annotated[UUID, Query()]) -> Response:
    """Record the visit and the document in it, under the stamp."""
    async with request.form(max_files=0, max_fields=40) as data:
        form = {name: str(value).strip()[:500] for name, value in data.items()}
    form = {**dict.fromkeys(FIELDS, ""), **form}
    kept = await _stamp(here, who, stamp_id)
    room = await room_of(request, here, who, kept.service_point_id)
    try:
        document_id = UUID(form["document_id"])
        entry = _entry(form, kept)
        await here.writer.submit(handlers.document_command(document_id, entry, who))
    except (KeyError, ValueError) as error:
        return _form_page(request, room, kept, form, _shape(error))
    except ApudiaariError as refusal:
        return _form_page(request, room, kept, form, refusal)
    return RedirectResponse(f"/counter/documents/{document_id}?received=1", 303)


def _shape(error: Exception) -> ApudiaariError:
    found = field_errors(error.errors()) if isinstance(error, ValidationError) else ()
    detail = "The form was not understood. Load the page again."
    return ApudiaariError(found[0].code if found else "bad_request", detail, 422, errors=found)


def _entry(form: dict[str, str], kept: Any) -> ReceiveDocument:
    """The visit has one act, that of receiving; its moment is the stamp's."""
    authority, _, service = form["service"].partition(":")
    paper = {
        name: int(form[name]) if name == "pages" and form[name].isdecimal() else form[name]
        for name in ("title", "pages", "sender", "reference")
        if form[name]
    }
    channel = {"drop_box": "drop_box", "post": "post"}.get(form["mode"], "counter")
    act = {"authority_id": authority, "service": service, "task": RECEIVES, "channel": channel, "quantity": 1}
    visit = {
        "service_point_id": kept.service_point_id,
        "occurred_at": kept.stamped_at.isoformat(),
        "customers": 0 if channel in codes.WITHOUT_CUSTOMER else 1,
        "language": form["language"],
        "acts": [act],
    }
    return ReceiveDocument.model_validate(
        {
            "service_point_id": kept.service_point_id,
            "authority_id": authority,
            "kind": form["kind"],
            "mode": form["mode"],
            "stamp_id": kept.stamp_id,
            "visit_id": form["visit_id"],
            "act_no": 1,
            "deadline": form["deadline"] or None,
            "paper": paper or None,
            "visit": visit,
        }
    )


@router.get("/counter/documents/{document_id}")
async def document(
    request: Request,
    document_id: UUID,
    who: ReceiptReader,
    here: Here,
    received: Annotated[str, Query(max_length=5)] = "",
) -> Response:
    """The receipt for reading, with the file to take along."""
    return await _document_page(request, document_id, who, here, fresh=bool(received))


async def _document_page(
    request: Request,
    document_id: UUID,
    who: Principal,
    here: Here,
    *,
    fresh: bool = False,
    error: ApudiaariError | None = None,
) -> HTMLResponse:
    receipt = await receipt_of(here.database, here.signer, who, document_id, synthetic=here.settings.synthetic)
    async with here.database.reading() as connection:
        rows = await store.stream_events(connection, [f"document:{document_id}"])
    events = [decode(row.body).data for row in rows]
    event = DocumentReceived.model_validate(events[0])
    forwarded = DocumentForwarded.model_validate(events[1]) if len(events) > 1 else None
    room = await room_of(request, here, who, event.service_point_id)
    resource = Resource(frozenset({event.authority_id}), event.provider_id, event.service_point_id)
    return web_of(request).page(
        request,
        "document.html",
        status=error.status if error else 200,
        room=room,
        event=event,
        forwarded=forwarded,
        version=len(events),
        recorded=rows[0].recorded,
        position=rows[0].position,
        receipt=receipt,
        statement=strict_object(receipt["statement"]),
        fresh=fresh,
        may_forward=access.may(who, Action.RECORD_DOCUMENT, resource),
        change_id=str(uuid4()),
        codes=codes,
        errors=pages.errors_of(request, error),
    )


@router.post("/counter/documents/{document_id}/forwarded")
async def forward(request: Request, document_id: UUID, who: Receiver, here: Here) -> Response:
    """Record that the document was sent on, now."""
    async with request.form(max_files=0, max_fields=10) as data:
        form = {name: str(value)[:100] for name, value in data.items()}
    try:
        wanted = ForwardDocument.model_validate(
            {
                "id": form.get("change_id"),
                "based_on": int(form["based_on"]) if form.get("based_on", "").isdecimal() else 0,
                "forwarded_at": clock.now().isoformat(),
                "means": form.get("means") or "?",
            }
        )
        await here.writer.submit(handlers.forward_command(document_id, wanted, who))
    except ValidationError as error:
        return await _document_page(request, document_id, who, here, error=_shape(error))
    except ApudiaariError as refusal:
        return await _document_page(request, document_id, who, here, error=refusal)
    return RedirectResponse(f"/counter/documents/{document_id}", 303)
