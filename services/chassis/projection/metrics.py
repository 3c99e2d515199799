"""Metrics of the projections: what operators watch at night."""

from __future__ import annotations

import time

from prometheus_client import Counter, Gauge, Histogram

from services.chassis.projection.projector import Prepared, Projector

EVENTS = Counter("apudiaari_projection_events", "Events by outcome", ["projection", "topic", "outcome"])
FAILURES = Counter(
    "apudiaari_projection_failures", "Batches that could not be written and were read again", ["projection"]
)
WRITE_SECONDS = Histogram("apudiaari_projection_write_seconds", "Time to write one batch", ["projection"])
DELAY_SECONDS = Histogram(
    "apudiaari_projection_delay_seconds",
    "From recordedtime to the commit that shows it",
    ["projection"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
)
STOPPED = Gauge(
    "apudiaari_projection_stopped", "1 while a partition is stopped", ["projection", "topic", "partition", "why"]
)
PARKED = Gauge("apudiaari_projection_parked", "Records put aside and not yet applied", ["projection", "version"])
WHY = ("ahead", "forked", "halted", "hold")


def observe(projector: Projector, prepared: Prepared, seconds: float) -> None:
    """Count a written batch."""
    name = projector.spec.name
    WRITE_SECONDS.labels(name).observe(seconds)
    EVENTS.labels(name, prepared.topic, "applied").inc(prepared.applied)
    EVENTS.labels(name, prepared.topic, "ignored").inc(sum(prepared.ignored.values()))
    EVENTS.labels(name, prepared.topic, "parked").inc(len(prepared.parked))
    if prepared.newest is not None:
        DELAY_SECONDS.labels(name).observe(max(0.0, time.time() - prepared.newest.timestamp()))
    for partition, part in prepared.taken.items():
        for why in WHY:
            STOPPED.labels(name, prepared.topic, str(partition), why).set(part.stopped == why)
