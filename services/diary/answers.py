"""What the diary answers to a command, once its events have their places (design.md §11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schemas.diary import Act, VisitFacts
from schemas.envelope import rfc3339
from services.chassis.log.model import Placed

Answer = Callable[[Sequence[Placed]], dict[str, Any]]


def of_visit(visit_id: str, facts: VisitFacts | None) -> Answer:
    """The place of the event; with the acts of the visit as it is now, if it is one still."""

    def answer(placed: Sequence[Placed]) -> dict[str, Any]:
        found = {"visit_id": visit_id, **_place(placed[0])}
        return found if facts is None else {**found, "acts": [act(each) for each in facts.acts]}

    return answer


def of_document(document_id: str, coverage: str, visit: VisitFacts | None = None) -> Answer:
    """The place of the document's event; with its visit, if the same command recorded it."""

    def answer(placed: Sequence[Placed]) -> dict[str, Any]:
        found = {
            "document_id": document_id,
            **_place(placed[-1]),
            "coverage": coverage,
            "verdict": None,
            "receipt": f"/api/documents/{document_id}/receipt",
        }
        if visit is not None:
            found["visit"] = {**_place(placed[0]), "acts": [act(each) for each in visit.acts]}
        return found

    return answer


def act(recorded: Act) -> dict[str, Any]:
    """An act's number and what the counter knew of its agreement."""
    coverage = recorded.coverage
    found: dict[str, Any] = {"act_no": recorded.act_no, "coverage": coverage.status}
    if coverage.agreement_id is not None:
        found["agreement_id"] = str(coverage.agreement_id)
        found["agreement_version"] = coverage.agreement_version
    return found


def _place(placed: Placed) -> dict[str, Any]:
    return {
        "event_id": str(placed.id),
        "position": placed.position,
        "version": placed.version,
        "recorded_at": rfc3339(placed.recorded),
    }
