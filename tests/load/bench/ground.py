"""What every measurement stands on: a fresh PostgreSQL, a fresh Apache Kafka, migrated databases, settings."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.dev.environment import SERVICES
from deploy.dev.kafka import Kafka
from deploy.dev.layout import REPOSITORY
from deploy.dev.postgres import Postgres
from deploy.dev.process import free_port
from tests.support.databases import Databases
from tests.support.tokens import TokenIssuer
from tests.support.world import World

HOME = REPOSITORY / ".run" / "bench"


@contextmanager
def ground() -> Iterator[World]:
    """PostgreSQL, Kafka and an issuer on free ports; everything is removed at the end."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True, mode=0o711)
    postgres = Postgres(HOME / "postgres", port=free_port())
    kafka = Kafka(HOME / "kafka", port=free_port())
    issuer = TokenIssuer(HOME)
    try:
        postgres.start()
        kafka.start()
        issuer.start()
        world = World(HOME, kafka, Databases(postgres), issuer)
        for service in SERVICES:
            world.database(service)
        yield world
    finally:
        issuer.stop()
        kafka.kill9()
        postgres.remove()
        shutil.rmtree(HOME, ignore_errors=True)


def part(module: str, environment: dict[str, str], *arguments: str, within_s: float = 900) -> dict[str, object]:
    """Run one part as a process of its own and read the JSON object that it prints last."""
    argv = [sys.executable, "-m", f"tests.load.bench.{module}", *arguments]
    done = subprocess.run(
        argv, cwd=REPOSITORY, env=os.environ | environment, stdout=subprocess.PIPE, timeout=within_s, check=True
    )
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def hardware() -> dict[str, object]:
    """What the figures were measured on."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory_gb, 1),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": platform.platform(),
    }
