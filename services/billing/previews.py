"""A run that issues nothing: for a month that is not over, or with terms that are not signed (B6, A4)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from schemas.billing import CutOffs
from services.billing import store
from services.billing.domain.documents import Draft
from services.billing.domain.money import amount_text
from services.billing.domain.runs import Settlement, settle
from services.billing.domain.terms import Book, Version, version_from
from services.billing.known import Chain, read_known, standing
from services.billing.payloads import Hypothesis, PreviewRequest
from services.chassis.access import Action, Principal, Resource, may, require
from services.chassis.db import Database
from services.chassis.errors import NotFound

PREVIEW = UUID(int=0)
"""Stands for a run that has no id."""


async def preview(database: Database, who: Principal, wanted: PreviewRequest) -> dict[str, Any]:
    """What a run would issue now. A payer sees its own documents only, and no counts of what others pay."""
    everything = may(who, Action.PREVIEW_BILLING, Resource(party_ids=frozenset({wanted.provider_id})))
    if not everything:
        require(who, Action.PREVIEW_BILLING, Resource(party_ids=frozenset({who.party_id or ""})))
    cut_offs, settled = await settlement(database, who, wanted)
    drafts = [draft for draft in settled.drafts if everything or draft.payer_id == who.party_id]
    return {
        "provider_id": wanted.provider_id,
        "period": wanted.period,
        "documents": [_document(draft) for draft in drafts],
        "total": amount_text(sum(draft.total_cents for draft in drafts)),
        "cut_offs": cut_offs.model_dump(),
        "unbilled": settled.unbilled if everything else {},
    }


async def settlement(database: Database, who: Principal, wanted: PreviewRequest) -> tuple[CutOffs, Settlement]:
    """The computation of a run, at the cut-offs a run would have."""
    async with database.snapshot() as connection:
        stand = await standing(connection)
        chain = Chain(await store.series(connection, [wanted.provider_id]))

        def supposed(book: Book) -> Book:
            versions = [_version(book, each, stand.cut_offs, who) for each in wanted.hypotheses]
            return replace(book, versions=[*book.versions, *versions])

        known = await read_known(
            connection, [wanted.provider_id], wanted.period, stand.cut_offs, chain, supposing=supposed
        )
    settled = await asyncio.to_thread(settle, known, wanted.period, {wanted.provider_id: PREVIEW})
    return stand.cut_offs, settled[wanted.provider_id]


def _version(book: Book, hypothesis: Hypothesis, cut_offs: CutOffs, who: Principal) -> Version:
    """The next version of an agreement between the reader and the provider, known since this moment."""
    known: Sequence[Version] = book.by_agreement.get(str(hypothesis.agreement_id), ())
    if not known or who.party_id not in {known[-1].provider_id, *known[-1].commissioner_ids}:
        raise NotFound("agreement_not_found", "There is no such agreement of yours.", pointer="/hypotheses")
    body = hypothesis.terms.model_dump(mode="json")
    made = version_from(
        str(hypothesis.agreement_id),
        known[-1].version + 1,
        cut_offs.agreements + 1,
        hypothesis.effective_from,
        {**body, "agreement": _agreement(known[-1])},
    )
    return made


def _agreement(version: Version) -> dict[str, Any]:
    """Who, where and until when: an amendment changes terms only."""
    return {
        "provider_id": version.provider_id,
        "commissioner_ids": list(version.commissioner_ids),
        "service_point_ids": list(version.point_ids),
        "valid_from": version.valid_from.isoformat(),
        "valid_until": version.valid_until.isoformat() if version.valid_until else None,
    }


def _document(draft: Draft) -> dict[str, Any]:
    return {
        "payer_id": draft.payer_id,
        "kind": "credit_note" if draft.total_cents < 0 else "invoice",
        "total": amount_text(draft.total_cents),
        "corrects": list(draft.corrects),
        "vat": [each.model_dump(mode="json", exclude_none=True) for each in draft.vat],
        "lines": [line.model_dump(mode="json", exclude_none=True) for line in draft.lines],
    }
