"""Metrics of the counter's business. Commands by kind and outcome are counted by the log already."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import Counter, Gauge

from schemas.diary import DocumentReceived, VisitRecorded
from services.chassis.log.model import Placed

ACTS = Counter("apudiaari_diary_acts", "Acts recorded, by what was known of the agreement", ["coverage"])
LATE = Counter("apudiaari_diary_late_visits", "Visits entered on a later day", ["reason"])
DOCUMENTS = Counter("apudiaari_diary_documents", "Documents received, by how their time is known", ["evidence"])
STAMPS = Counter("apudiaari_diary_stamps", "Stamps made")
RECEIPTS = Counter("apudiaari_diary_receipts", "Receipts shown")
IMPORT_ROWS = Counter("apudiaari_diary_import_rows", "Rows of imported files", ["outcome"])
REGISTER_POSITION = Gauge("apudiaari_diary_register_position", "Position of the agreements log that coverage knows")


def count(placed: Sequence[Placed]) -> None:
    """Count the events of a batch, as it is written."""
    found: Tally[tuple[Counter, str]] = Tally()
    for each in placed:
        data = each.event.data
        if isinstance(data, VisitRecorded):
            found.update((ACTS, act.coverage.status) for act in data.visit.acts)
            if data.visit.late is not None:
                found[LATE, data.visit.late.reason] += 1
        elif isinstance(data, DocumentReceived):
            found[DOCUMENTS, "stamp" if data.stamp else "statement"] += 1
    for (metric, label), number in found.items():
        metric.labels(label).inc(number)
