"""The one command of billing: a computed run is numbered and recorded, if nothing came between (design.md §7)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from schemas import topics
from schemas.authority import AuthorityCreditNoteIssued, AuthorityInvoiceIssued
from schemas.billing import CreditNoteIssued, _Document
from services.billing import store
from services.billing.domain import series
from services.billing.domain.documents import Run, kind_of
from services.billing.domain.series import Series
from services.billing.payloads import CloseRun
from services.chassis.access import Action, Resource, require
from services.chassis.clock import helsinki_day
from services.chassis.log import Command, Decision, Handler, LogSpec, NewEvent, Placed
from services.chassis.log.model import States
from services.chassis.settings import Settings


def stream_of(provider_id: str) -> str:
    return f"invoices:{provider_id}"


def close_run(command: Command, states: States, context: Any, now: dt.datetime) -> Decision:
    """Documents with the next numbers of the series, then the end of the run, all in one transaction."""
    wanted: CloseRun = command.payload
    require(command.principal, Action.RUN_BILLING, Resource(provider_id=wanted.provider_id))
    state = states[stream_of(wanted.provider_id)]
    run = Run(wanted.run_id, wanted.provider_id, wanted.period, wanted.cut_offs)
    events = series.close(
        run,
        wanted.drafts,
        state.value or Series(),
        version=state.version,
        expected=wanted.expected_version,
        opens=wanted.opens,
        today=helsinki_day(now),
    )
    recorded = [NewEvent(stream_of(run.provider_id), run.provider_id, now, e, _copies(e)) for e in events]
    return Decision(recorded, lambda placed: _answer(wanted, placed))


def _copies(event: Any) -> dict[str, Any]:
    """The payer sees its own document, whole: nothing in it is another authority's."""
    if not isinstance(event, _Document):
        return {}
    kind = AuthorityCreditNoteIssued if isinstance(event, CreditNoteIssued) else AuthorityInvoiceIssued
    return {event.payer_id: kind.model_construct(**{name: getattr(event, name) for name in type(event).model_fields})}


def _answer(wanted: CloseRun, placed: Sequence[Placed]) -> dict[str, Any]:
    documents = [each.event.data for each in placed if isinstance(each.event.data, _Document)]
    return {
        "run_id": str(wanted.run_id),
        "invoices": [summary(document) for document in documents],
        "cut_offs": wanted.cut_offs.model_dump(),
        "unbilled": wanted.unbilled,
    }


def summary(document: _Document) -> dict[str, Any]:
    """A document in a list."""
    return {
        "invoice_id": str(document.invoice_id),
        "number": document.number,
        "kind": kind_of(document),
        "payer_id": document.payer_id,
        "total": document.total,
        "corrects": list(document.corrects),
    }


def _of_provider(command: Command) -> Sequence[str]:
    return (stream_of(command.payload.provider_id),)


HANDLERS: Mapping[type[BaseModel], Handler] = {CloseRun: Handler(_of_provider, close_run)}


def log_spec(settings: Settings) -> LogSpec:
    """The log of billing."""
    return LogSpec(
        service="billing", topic=topics.BILLING, handlers=HANDLERS, evolve=series.evolve, project=store.project
    )
