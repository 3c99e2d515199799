"""A written agreement with its versions, and the commands that enter it into the register."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from deploy.demo.network.commands import Body, Command
from deploy.demo.network.terms import Offer


@dataclass(slots=True)
class Version:
    """One version of the terms: ``number`` 1 is the agreement as signed, later ones are amendments."""

    number: int
    effective_from: dt.date
    signed_on: dt.date
    terms: Body


@dataclass(slots=True)
class Agreement:
    """An agreement with all its versions; ``last_day`` is set where it was terminated by notice.

    ``followed``: another takes its place, so the notice must be recorded before that one is signed.
    """

    id: str
    provider_id: str
    commissioner_ids: tuple[str, ...]
    service_point_ids: tuple[str, ...]
    valid_from: dt.date
    valid_until: dt.date | None
    offer: Offer
    versions: list[Version] = field(default_factory=list)
    last_day: dt.date | None = None
    notice_on: dt.date | None = None
    followed: bool = False

    @property
    def ends(self) -> dt.date | None:
        """The last covered day, or ``None`` while it is open-ended (R3)."""
        return self.last_day or self.valid_until

    def covers(self, day: dt.date) -> bool:
        return self.valid_from <= day and (self.ends is None or day <= self.ends)

    def terms_on(self, day: dt.date) -> Body:
        """The terms effective on ``day``, as known after every amendment."""
        return self.version_on(day).terms

    def version_on(self, day: dt.date) -> Version:
        return max((v for v in self.versions if v.effective_from <= day), key=lambda v: (v.effective_from, v.number))


def agreement_commands(agreement: Agreement) -> Iterator[Command]:
    """The draft, the approvals of version 1 by everybody, and the notice where another agreement follows."""
    first = agreement.versions[0]
    body = {
        "provider_id": agreement.provider_id,
        "commissioner_ids": list(agreement.commissioner_ids),
        "service_point_ids": list(agreement.service_point_ids),
        "valid_from": agreement.valid_from.isoformat(),
        "valid_until": agreement.valid_until and agreement.valid_until.isoformat(),
        "signed_on": first.signed_on.isoformat(),
        "terms": first.terms,
    }
    yield Command("PUT", f"/api/agreements/{agreement.id}", body, agreement.provider_id)
    yield from _approvals(agreement, 1)
    if agreement.followed:
        yield from _notice(agreement)


def amendment_commands(agreement: Agreement) -> Iterator[Command]:
    """Each amendment with the approvals that bring it into force."""
    for version in agreement.versions[1:]:
        body = {
            "id": _command_id(agreement, "amendment", version.number),
            "effective_from": version.effective_from.isoformat(),
            "signed_on": version.signed_on.isoformat(),
            "terms": version.terms,
        }
        yield Command("POST", f"/api/agreements/{agreement.id}/amendments", body, agreement.provider_id)
        yield from _approvals(agreement, version.number)


def termination_commands(agreement: Agreement) -> Iterator[Command]:
    """The notice that ended it, if it was ended so and nothing followed."""
    if not agreement.followed:
        yield from _notice(agreement)


def _notice(agreement: Agreement) -> Iterator[Command]:
    if agreement.last_day and agreement.notice_on:
        body = {
            "id": _command_id(agreement, "termination"),
            "last_day": agreement.last_day.isoformat(),
            "notice_on": agreement.notice_on.isoformat(),
        }
        yield Command("POST", f"/api/agreements/{agreement.id}/termination", body, agreement.commissioner_ids[0])


def _approvals(agreement: Agreement, version: int) -> Iterator[Command]:
    """The provider's last: where it has become the commissioner itself, its approval alone completes the version."""
    for party in (*agreement.commissioner_ids, agreement.provider_id):
        body = {"id": _command_id(agreement, "approval", version, party), "version": version}
        yield Command("POST", f"/api/agreements/{agreement.id}/approvals", body, party)


def _command_id(agreement: Agreement, *parts: object) -> str:
    return str(uuid5(UUID(agreement.id), "/".join(map(str, parts))))
