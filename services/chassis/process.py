"""Settings of the Python process itself."""

from __future__ import annotations

import gc
import sys

YOUNG_OBJECTS = 50_000
HAND_OVER_SECONDS = 0.0005


def tune() -> None:
    """For an event loop that takes records in while a worker thread folds them in many short steps.

    The cycle collector looks less often: our data has no cycles, and batches hold 20,000 records at once (taking one in
    costs 8.6 µs with the default thresholds, 4.5 µs without the collector). And the loop hands over after 0.5 ms
    instead of 5: each step of the worker waits for it (a rebuild of 200,000 visits: 4.4 → 3.8 s).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    sys.setswitchinterval(HAND_OVER_SECONDS)
