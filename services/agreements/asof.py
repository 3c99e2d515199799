"""An agreement as agreed on one day and as known at one moment (R5; feature A7). Pure.

``known`` bounds what had been recorded: a position of the log, or a time of recording. Nothing recorded later is
shown: not a version, not an approval, not the notice that ended the agreement.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from schemas.envelope import rfc3339
from services.agreements.domain.timeline import Span, earliest, ruling, spans
from services.agreements.queries import AgreementRows, VersionRow
from services.chassis.errors import Invalid


@dataclass(frozen=True, slots=True)
class Known:
    """The knowledge of a moment; both None is all there is now."""

    position: int | None = None
    moment: dt.datetime | None = None

    def has(self, position: int | None, recorded_at: dt.datetime | None) -> bool:
        """Whether something recorded there was known; what never was recorded is not."""
        if position is None or recorded_at is None:
            return False
        if self.position is not None:
            return position <= self.position
        return self.moment is None or recorded_at <= self.moment

    def __str__(self) -> str:
        if self.position is not None:
            return str(self.position)
        return rfc3339(self.moment.astimezone(dt.UTC)) if self.moment else ""


def parse_known(value: str | None) -> Known:
    """``12345`` is a position, ``2026-11-24T10:15:00+02:00`` a time of recording."""
    if not value:
        return Known()
    if value.isascii() and value.isdecimal() and len(value) <= 18:
        return Known(position=int(value))
    try:
        moment = dt.datetime.fromisoformat(value.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        detail = "Give a log position, or a time of recording with its offset, as 2026-11-24T10:15:00+02:00."
        raise Invalid("as_of_known_wrong", detail, pointer="/query/as_of_known")
    return Known(moment=moment)


@dataclass(frozen=True, slots=True)
class AsOf:
    """The answer. ``version`` is None where none was in force; ``proposed`` waited for approvals then."""

    valid: dt.date
    known: Known
    state: str
    newest: VersionRow
    version: VersionRow | None
    proposed: VersionRow | None
    versions: tuple[VersionRow, ...]
    termination: dict[str, Any] | None
    spans: tuple[Span[VersionRow], ...]

    @property
    def ends(self) -> dt.date | None:
        """The last covered day as known then, by term or notice."""
        return self.spans[-1].last if self.spans else None

    @property
    def shown(self) -> VersionRow:
        """What to show of the terms: those in force, else the newest known."""
        return self.version or self.newest


def as_of(rows: AgreementRows, valid: dt.date, known: Known) -> AsOf | None:
    """The agreement on ``valid`` as ``known``; None where it was not known at all."""
    seen = tuple(each for each in rows.versions if known.has(each.proposed_position, each.proposed_at))
    if not seen:
        return None
    in_force = [each for each in seen if known.has(each.known_position, each.known_at)]
    notice = rows.termination
    termination = notice if notice and known.has(notice["position"], notice["recorded_at"]) else None
    agreement = (in_force or seen)[0 if in_force else -1].agreement
    until = agreement.get("valid_until")
    last = earliest(dt.date.fromisoformat(until) if until else None, termination["last_day"] if termination else None)
    if known == Known():  # What is known now includes that a commissioner became the provider (R9).
        last = earliest(last, rows.ends)
    newest_open = seen[-1] if seen[-1] not in in_force else None
    return AsOf(
        valid,
        known,
        _state(in_force, agreement, last, valid),
        seen[-1],
        ruling(in_force, valid, last),
        newest_open,
        seen,
        termination,
        tuple(spans(in_force, last)),
    )


def _state(in_force: list[VersionRow], agreement: dict[str, Any], last: dt.date | None, valid: dt.date) -> str:
    if not in_force:
        return "draft"
    if valid < dt.date.fromisoformat(agreement["valid_from"]):
        return "upcoming"
    return "ended" if last is not None and valid > last else "in_force"


def to_json(rows: AgreementRows, answer: AsOf, position: int) -> dict[str, Any]:
    """The body of ``GET /api/agreements/{id}``."""
    version = answer.version
    return {
        "agreement_id": rows.agreement_id,
        "as_of": {"valid": answer.valid, "known": str(answer.known) or None, "log_position": position},
        "state": answer.state,
        **answer.shown.agreement,
        "ends": answer.ends,
        "version": version.version if version else None,
        "effective_from": version.effective_from if version else None,
        "signed_on": version.signed_on if version else None,
        "terms": version.terms if version else None,
        "proposed": _proposed(rows, answer),
        "termination": _moments(answer.termination) if answer.termination else None,
        "versions": [_version(each, answer.known) for each in answer.versions],
    }


def _proposed(rows: AgreementRows, answer: AsOf) -> dict[str, Any] | None:
    proposed = answer.proposed
    if proposed is None:
        return None
    waiting = list(rows.waiting_for) if proposed.version == rows.open_version and answer.known == Known() else None
    return {
        "version": proposed.version,
        "effective_from": proposed.effective_from,
        "signed_on": proposed.signed_on,
        "terms": proposed.terms,
        "waiting_for": waiting,
    }


def _version(each: VersionRow, known: Known) -> dict[str, Any]:
    in_force = known.has(each.known_position, each.known_at)
    return {
        "version": each.version,
        "effective_from": each.effective_from,
        "signed_on": each.signed_on,
        "in_force": in_force,
        "proposed_position": each.proposed_position,
        "proposed_at": rfc3339(each.proposed_at.astimezone(dt.UTC)),
        "known_position": each.known_position if in_force else None,
        "known_at": rfc3339(each.known_at.astimezone(dt.UTC)) if in_force and each.known_at else None,
        "approvals": [_moments(a) for a in each.approvals if known.has(a["position"], a["recorded_at"])],
    }


def _moments(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rfc3339(value.astimezone(dt.UTC)) if isinstance(value, dt.datetime) else value
        for name, value in row.items()
    }
