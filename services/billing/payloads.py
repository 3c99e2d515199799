"""What clients send, and the one command that enters the log."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.agreements import Terms
from schemas.base import Month, Position, Slug
from schemas.billing import CutOffs
from services.billing.domain.documents import Draft
from services.chassis.access import Principal
from services.chassis.log import Command
from services.chassis.trace import CURRENT


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AtLeast(_Body):
    """Log positions that the run must know; from the answers of the diary and the agreements."""

    diary: Position = 0
    agreements: Position = 0


class RunRequest(_Body):
    """``POST /api/runs``. The id is the client's: the same request again gives the same answer."""

    id: UUID
    provider_id: Slug
    period: Month
    at_least: AtLeast = AtLeast()


class Hypothesis(_Body):
    """Terms as if signed and known now: version one higher than any known of the agreement."""

    agreement_id: UUID
    effective_from: dt.date
    terms: Terms


class PreviewRequest(_Body):
    """``POST /api/previews``: what a run would issue, also for a month that is not over, also with other terms."""

    provider_id: Slug
    period: Month
    hypotheses: Annotated[tuple[Hypothesis, ...], Field(max_length=200)] = ()


class CloseRun(BaseModel):
    """A computed run, to be numbered and recorded if nothing came between. Never sent by a client."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    run_id: UUID
    provider_id: str
    period: str
    cut_offs: CutOffs
    opens: str
    expected_version: int
    drafts: tuple[Draft, ...]
    unbilled: dict[str, int]


def run_digest(request: RunRequest) -> bytes:
    """Over what the client asked: what is computed from it may differ at the next attempt."""
    return hashlib.sha256(f"RunRequest\n{request.model_dump_json()}".encode()).digest()


def closing_command(request: RunRequest, principal: Principal, computed: CloseRun) -> Command:
    return Command(
        request.id, computed, principal, run_digest(request), target=request.provider_id, trace=CURRENT.get()
    )
