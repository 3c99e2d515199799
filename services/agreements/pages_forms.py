"""Approval, amendment and termination on pages: a form, a page to check the answers on, then the command.

Each form carries the id of its command from the moment it is shown, so that sending it twice does it once.
"""

from __future__ import annotations

import copy
import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from schemas.agreements import ITEMS
from services.agreements import presenting
from services.agreements.asof import AsOf, Known, as_of
from services.agreements.domain import commands as wish
from services.agreements.domain.timeline import superseded_by
from services.agreements.loading import Loaded, load, today
from services.chassis.access import Action, Principal
from services.chassis.errors import ApudiaariError, Conflict, Invalid, NotFound
from services.chassis.identity import rule
from services.chassis.log import Command
from services.chassis.runtime import Here, Runtime

router = APIRouter(include_in_schema=False)
Proposer = Annotated[Principal, rule(Action.PROPOSE_AGREEMENT)]
Approver = Annotated[Principal, rule(Action.APPROVE_AGREEMENT)]
Terminator = Annotated[Principal, rule(Action.TERMINATE_AGREEMENT)]
MAX_FIELDS = 600
Form = dict[str, str]
_PRICE = re.compile(r"^(0|[1-9][0-9]{0,8})([.,][0-9]{1,4})?$")


async def _form(request: Request) -> Form:
    """The fields of a posted form; the chassis has bounded the body."""
    try:
        fields = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Invalid("malformed_form", "The form could not be read. Open the page again.") from error
    return {name: value.replace("\r\n", "\n").strip() for name, value in fields}


async def _loaded(request: Request, who: Principal, runtime: Runtime, agreement_id: UUID) -> tuple[Loaded, AsOf]:
    """The agreement for one of its parties, as known now."""
    async with runtime.database.snapshot() as connection:
        loaded = await load(connection, request, who, agreement_id, today())
    if who.party_id not in loaded.rows.party_ids:
        raise NotFound("not_a_party", "There is no such agreement in which your organisation is a party.")
    answer = as_of(loaded.rows, today(), Known())
    assert answer is not None
    return loaded, answer


def _done(agreement_id: UUID, what: str) -> Response:
    return RedirectResponse(f"/agreements/{agreement_id}?done={what}", 303)


def _page(
    request: Request, name: str, loaded: Loaded, who: Principal, *, errors: list[dict[str, Any]] | None = None,
    **context: Any,
) -> Response:  # fmt: skip
    words = loaded.words
    newest = loaded.rows.versions[-1].agreement
    names = [words.party(each) for each in newest["commissioner_ids"]]
    title = f"{words.party(newest['provider_id'])} – {words.joined(names)}"
    about = {"agreement_id": loaded.rows.agreement_id, "agreement_title": title}
    page: Response = request.app.state.web.page(
        request, name, 422 if errors else 200, errors=errors or [], my_party=words.party(who.party_id or ""),
        **about, **context,
    )  # fmt: skip
    return page


def _texts(request: Request, refusal: ApudiaariError, fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """A refusal as the entries of an error summary; ``fields`` says which input a pointer is about."""
    web = request.app.state.web
    has = web.templates.environments[web.language(request)].globals["has_text"]
    found = [(part.code, part.detail, part.pointer) for part in refusal.errors] or [(refusal.code, refusal.detail, "")]
    return [
        {
            "field": next((name for prefix, name in fields.items() if pointer.startswith(prefix)), None),
            "text": web.text(request, f"problem.{code}") if has(f"problem.{code}") else detail,
        }
        for code, detail, pointer in found
    ]


# Approval


@router.get("/agreements/{agreement_id}/approve")
async def approve_form(request: Request, who: Approver, runtime: Here, agreement_id: UUID) -> Response:
    """What the party is about to approve, beside what is in force."""
    loaded, answer = await _loaded(request, who, runtime, agreement_id)
    return _approval_page(request, who, loaded, answer, str(uuid4()))


@router.post("/agreements/{agreement_id}/approve")
async def approve(request: Request, who: Approver, runtime: Here, agreement_id: UUID) -> Response:
    """Approve the version that the page showed."""
    form = await _form(request)
    loaded, answer = await _loaded(request, who, runtime, agreement_id)
    try:
        command_id, payload = UUID(form["id"]), wish.ApproveVersion(version=int(form["version"]))
    except (KeyError, ValueError) as error:
        raise Invalid("malformed_form", "The form could not be read. Open the page again.") from error
    try:
        made = Command.of(command_id, payload, who, target=str(agreement_id))
        outcome = await runtime.writer.submit(made)
    except (Invalid, Conflict) as refusal:
        return _approval_page(request, who, loaded, answer, form["id"], _texts(request, refusal, {}))
    return _done(agreement_id, "in_force" if outcome.answer["in_force"] else "approved")


def _approval_page(
    request: Request, who: Principal, loaded: Loaded, answer: AsOf, command_id: str,
    errors: list[dict[str, Any]] | None = None,
) -> Response:  # fmt: skip
    words, proposed = loaded.words, answer.proposed
    current = answer.version or next((span.version for span in answer.spans), None)
    changes = presenting.change_rows(words, current.terms, proposed.terms) if current and proposed else None
    return _page(
        request, "approve.html", loaded, who, errors=errors, command_id=command_id, proposed=proposed,
        waiting=[words.party(each) for each in loaded.rows.waiting_for], mine=who.party_id in loaded.rows.waiting_for,
        changes=changes, current=current, supersedes=_supersedes(answer, proposed.effective_from) if proposed else [],
        tariffs=presenting.tariff_rows(words, proposed.terms) if proposed else [],
        items=presenting.item_rows(words, proposed.terms) if proposed else [],
        missing=[item for item in ITEMS if proposed and not (proposed.terms["items"].get(item) or "").strip()],
    )  # fmt: skip


def _supersedes(answer: AsOf, effective_from: dt.date) -> list[int]:
    """Versions that would rule no day more."""
    return superseded_by([span.version for span in answer.spans], effective_from)


# Amendment


@router.get("/agreements/{agreement_id}/amend")
async def amend_form(request: Request, who: Proposer, runtime: Here, agreement_id: UUID) -> Response:
    """The newest terms, ready to be changed from a day on."""
    loaded, answer = await _loaded(request, who, runtime, agreement_id)
    base = _base(answer)
    form = {"id": str(uuid4()), "effective_from": "", "signed_on": "", **_fields_of(base)}
    return _amend_page(request, who, loaded, answer, form)


@router.post("/agreements/{agreement_id}/amend")
async def amend(request: Request, who: Proposer, runtime: Here, agreement_id: UUID) -> Response:
    """``step=check`` shows the difference, ``step=send`` proposes it, anything else shows the form again."""
    form = await _form(request)
    loaded, answer = await _loaded(request, who, runtime, agreement_id)
    terms, errors = _amended(request, _base(answer), form)
    payload = None
    if not errors:
        payload, errors = _payload(request, answer, terms, form)
    if errors or payload is None:
        return _amend_page(request, who, loaded, answer, form, errors)
    if form.get("step") == "check":
        return _check_page(request, who, loaded, answer, form, payload)
    if form.get("step") != "send":
        return _amend_page(request, who, loaded, answer, form)
    try:
        await runtime.writer.submit(Command.of(UUID(form["id"]), payload, who, target=str(agreement_id)))
    except (Invalid, Conflict) as refusal:
        texts = _texts(request, refusal, {"/effective_from": "effective_from", "/signed_on": "signed_on"})
        return _amend_page(request, who, loaded, answer, form, texts)
    return _done(agreement_id, "proposed")


def _base(answer: AsOf) -> dict[str, Any]:
    """The terms to start from: those that rule today, else the last that will or did."""
    chosen = answer.version or (answer.spans[-1].version if answer.spans else None)
    if chosen is None:
        raise Conflict("not_in_force", "The agreement is still a draft. Send another draft instead.")
    return chosen.terms


def _fields_of(terms: Mapping[str, Any]) -> Form:
    prices = {f"price-{each['item']}": each["price"].replace(".", ",") for each in terms["tariffs"]}
    items = {f"item-{item}": terms["items"].get(item, "") for item in ITEMS}
    return prices | items | {"at_receipt": "yes" if terms["pendency"]["at_receipt"] else "no"}


def _amended(request: Request, base: Mapping[str, Any], form: Form) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The terms with the form's prices, items and pendency; and what could not be read."""
    terms = copy.deepcopy(dict(base))
    errors: list[dict[str, Any]] = []
    for tariff in terms["tariffs"]:
        field = f"price-{tariff['item']}"
        written = form.get(field, tariff["price"]).replace(" ", "").replace("\u00a0", "")
        if _PRICE.match(written):
            whole, _, decimals = written.replace(",", ".").partition(".")
            tariff["price"] = f"{whole}.{decimals.ljust(2, '0')}"
        else:
            text = request.app.state.web.text(request, "problem.price_wrong", item=tariff["item"])
            errors.append({"field": field, "text": text})
    terms["items"] = {item: form.get(f"item-{item}", terms["items"].get(item, "")) for item in ITEMS}
    terms["items"] = {item: text for item, text in terms["items"].items() if text}
    at_receipt = form.get("at_receipt", "yes" if terms["pendency"]["at_receipt"] else "no") == "yes"
    terms["pendency"] = {**terms["pendency"], "at_receipt": at_receipt}
    return terms, errors


def _payload(
    request: Request, answer: AsOf, terms: dict[str, Any], form: Form
) -> tuple[wish.AmendAgreement | None, list[dict[str, Any]]]:
    web = request.app.state.web
    body = {
        "effective_from": form.get("effective_from"),
        "signed_on": form.get("signed_on") or None,
        "terms": terms,
        "replaces": answer.proposed.version if answer.proposed else None,
    }
    try:
        UUID(form.get("id", ""))
        return wish.AmendAgreement.model_validate(body), []
    except ValidationError as error:
        fields = {str(each["loc"][0]) for each in error.errors()}
        errors = [
            {"field": name, "text": web.text(request, "problem.date_wrong")}
            for name in ("effective_from", "signed_on")
            if name in fields
        ]
        return None, errors or [{"field": None, "text": web.text(request, "problem.terms_wrong")}]
    except ValueError as error:
        raise Invalid("malformed_form", "The form could not be read. Open the page again.") from error


def _amend_page(
    request: Request, who: Principal, loaded: Loaded, answer: AsOf, form: Form,
    errors: list[dict[str, Any]] | None = None,
) -> Response:  # fmt: skip
    base = _base(answer)
    rows = presenting.tariff_rows(loaded.words, base)
    named = {f"price-{tariff['item']}": row for tariff, row in zip(base["tariffs"], rows, strict=True)}
    return _page(
        request, "amend.html", loaded, who, errors=errors, form=form, tariffs=named, items=ITEMS,
        proposed=answer.proposed, valid_from=answer.shown.agreement["valid_from"], ends=answer.ends,
        by_field={error["field"]: error["text"] for error in errors or [] if error["field"]},
    )  # fmt: skip


def _check_page(
    request: Request, who: Principal, loaded: Loaded, answer: AsOf, form: Form, payload: wish.AmendAgreement
) -> Response:
    changes = presenting.change_rows(loaded.words, _base(answer), payload.terms.model_dump(mode="json"))
    return _page(
        request, "amend_check.html", loaded, who, form=form, changes=changes, payload=payload,
        backdated=payload.effective_from < today(), proposed=answer.proposed,
        supersedes=_supersedes(answer, payload.effective_from),
    )  # fmt: skip


# Termination


@router.get("/agreements/{agreement_id}/terminate")
async def terminate_form(request: Request, who: Terminator, runtime: Here, agreement_id: UUID) -> Response:
    """Asks for the last day and the day of notice."""
    loaded, answer = await _loaded(request, who, runtime, agreement_id)
    form = {"id": str(uuid4()), "last_day": "", "notice_on": today().isoformat()}
    return _terminate_page(request, who, loaded, answer, form)


@router.post("/agreements/{agreement_id}/terminate")
async def terminate(request: Request, who: Terminator, runtime: Here, agreement_id: UUID) -> Response:
    """``step=check`` asks once more, ``step=send`` gives notice."""
    form = await _form(request)
    loaded, answer = await _loaded(request, who, runtime, agreement_id)
    days: dict[str, dt.date] = {}
    errors = []
    for name in ("last_day", "notice_on"):
        try:
            days[name] = dt.date.fromisoformat(form.get(name, ""))
        except ValueError:
            errors.append({"field": name, "text": request.app.state.web.text(request, "problem.date_wrong")})
    if errors or form.get("step") not in ("check", "send"):
        return _terminate_page(request, who, loaded, answer, form, errors)
    if form["step"] == "check":
        return _page(request, "terminate_check.html", loaded, who, form=form, ends=answer.ends, days=days)
    try:
        command = Command.of(UUID(form["id"]), wish.TerminateAgreement(**days), who, target=str(agreement_id))
        await runtime.writer.submit(command)
    except (Invalid, Conflict) as refusal:
        texts = _texts(request, refusal, {"/last_day": "last_day", "/notice_on": "notice_on"})
        return _terminate_page(request, who, loaded, answer, form, texts)
    return _done(agreement_id, "terminated")


def _terminate_page(
    request: Request, who: Principal, loaded: Loaded, answer: AsOf, form: Form,
    errors: list[dict[str, Any]] | None = None,
) -> Response:  # fmt: skip
    return _page(
        request, "terminate.html", loaded, who, errors=errors, form={"last_day": "", "notice_on": "", **form},
        valid_from=answer.shown.agreement["valid_from"], ends=answer.ends, state=answer.state,
        termination=answer.termination,
        by_field={error["field"]: error["text"] for error in errors or [] if error["field"]},
    )  # fmt: skip
