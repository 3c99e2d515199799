"""What each authority sees of a diary event: its own acts, renumbered, under its own name for the visit (design.md
§8).

Laws: an event concerns the authorities before and after it; the provider's own service concerns none (R7). Nothing
in a copy tells of another authority: not the visit's id, nor its number of acts, nor how many customers came
together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from schemas.authority import (
    AuthorityDocumentForwarded,
    AuthorityDocumentReceived,
    AuthorityVisitCorrected,
    AuthorityVisitFacts,
    AuthorityVisitRecorded,
    AuthorityVisitVoided,
)
from schemas.base import EventData
from schemas.diary import (
    Act,
    DocumentForwarded,
    DocumentReceived,
    VisitCorrected,
    VisitFacts,
    VisitRecorded,
    VisitVoided,
)

Reference = Callable[[str, object], str]
"""``reference(authority, visit_id)``: the authority's own name for a visit."""
OWN = "own"


def recorded(event: VisitRecorded, reference: Reference) -> dict[str, EventData]:
    copies: dict[str, EventData] = {}
    for authority, facts in parts(event.visit).items():
        copies[authority] = AuthorityVisitRecorded(
            visit_ref=reference(authority, event.visit_id),
            service_point_id=event.service_point_id,
            provider_id=event.provider_id,
            visit=facts,
        )
    return copies


def corrected(event: VisitCorrected, reference: Reference) -> dict[str, EventData]:
    before, after = parts(event.before), parts(event.after)
    copies: dict[str, EventData] = {}
    for authority in sorted(before.keys() | after.keys()):
        copies[authority] = AuthorityVisitCorrected(
            visit_ref=reference(authority, event.visit_id),
            service_point_id=event.service_point_id,
            provider_id=event.provider_id,
            reason=event.reason,
            before=before.get(authority),
            after=after.get(authority),
        )
    return copies


def voided(event: VisitVoided, reference: Reference) -> dict[str, EventData]:
    copies: dict[str, EventData] = {}
    for authority, facts in parts(event.before).items():
        copies[authority] = AuthorityVisitVoided(
            visit_ref=reference(authority, event.visit_id),
            service_point_id=event.service_point_id,
            provider_id=event.provider_id,
            reason=event.reason,
            before=facts,
        )
    return copies


def document_received(event: DocumentReceived, visit: VisitFacts, reference: Reference) -> dict[str, EventData]:
    """``act_no`` is that of the authority's own copy of the visit."""
    if event.coverage.status == OWN:
        return {}
    own_number = [act.act_no for act in visit.acts if act.authority_id == event.authority_id].index(event.act_no) + 1
    copy = AuthorityDocumentReceived(
        document_id=event.document_id,
        service_point_id=event.service_point_id,
        provider_id=event.provider_id,
        visit_ref=reference(event.authority_id, event.visit_id),
        act_no=own_number,
        kind=event.kind,
        mode=event.mode,
        received=event.received,
        late=event.late,
        deadline=event.deadline,
        commitment=event.commitment,
        coverage=event.coverage,
        verdict=event.verdict,
    )
    return {event.authority_id: copy}


def document_forwarded(event: DocumentForwarded, received: DocumentReceived) -> dict[str, EventData]:
    if received.coverage.status == OWN:
        return {}
    copy = AuthorityDocumentForwarded(
        document_id=event.document_id,
        service_point_id=event.service_point_id,
        provider_id=event.provider_id,
        forwarded_at=event.forwarded_at,
        means=event.means,
    )
    return {event.authority_id: copy}


def parts(facts: VisitFacts) -> dict[str, AuthorityVisitFacts]:
    """The part of a visit that concerns each authority, in the order of their ids."""
    acts: dict[str, list[Act]] = {}
    for act in facts.acts:
        if act.coverage.status != OWN:
            acts.setdefault(act.authority_id, []).append(act)
    return {
        authority: AuthorityVisitFacts(
            occurred_at=facts.occurred_at,
            service_day=facts.service_day,
            hour=facts.hour,
            language=facts.language,
            place=facts.place,
            late=facts.late,
            acts=_renumbered(acts[authority]),
        )
        for authority in sorted(acts)
    }


def _renumbered(acts: Iterable[Act]) -> tuple[Act, ...]:
    return tuple(
        [
            act if act.act_no == number else act.model_copy(update={"act_no": number})
            for number, act in enumerate(acts, 1)
        ]
    )
