"""Settings of the Python process itself."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 50_000


def calm_collector() -> None:
    """Let the cycle collector look less often: our data has no cycles, and batches hold 20,000 records at once.

    Measured: taking records in costs 8.6 µs each with the default thresholds, 4.5 µs without the collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
