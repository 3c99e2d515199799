"""The whole demonstration on few visits, on both brokers: every step must hold."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import pytest

from deploy.demo.__main__ import demonstrate
from deploy.demo.telling import Teller
from deploy.dev.environment import SERVICES
from deploy.dev.layout import Ports
from deploy.dev.process import free_port
from tests.support.unproven import require_kafka_tools

VISITS = 5_000


@pytest.mark.parametrize(
    "broker", [pytest.param("tansu", marks=pytest.mark.tansu), pytest.param("kafka", marks=pytest.mark.kafka)]
)
@pytest.mark.postgres
async def test_every_step_of_the_story_holds(run_folder: Path, broker: Literal["tansu", "kafka"]) -> None:
    if broker == "kafka":
        require_kafka_tools()
    services = {name: free_port() for name in SERVICES}
    ports = Ports(free_port(), free_port(), free_port(), free_port(), services)
    root = run_folder / f"demo-{broker}"
    try:
        assert await demonstrate(root, broker, Teller("en"), visits=VISITS, once=True, ports=ports)
    finally:
        shutil.rmtree(root, ignore_errors=True)
