"""``make bench``: the numbers of design.md §12, in one run on Apache Kafka and PostgreSQL on this machine.

Each part is a module that runs in a process of its own and prints one JSON object, so that memory and CPU are its own.
Ratios are taken side by side. Nothing here is a timed test: figures are printed beside their targets.
"""

import json
import os

from services.chassis.settings import Settings


def settings_of(service: str) -> Settings:
    """Settings of a service for a part that works for several: ``BENCH_<service>`` holds its environment as JSON."""
    values = json.loads(os.environ[f"BENCH_{service}"])
    os.environ.update(values)
    return Settings()
