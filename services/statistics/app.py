"""Composition root."""

from __future__ import annotations

from services.chassis.service import Service
from services.statistics import api, cli, pages
from services.statistics.consumers import PROJECTIONS

SERVICE = Service(
    name="statistics",
    package="services.statistics",
    projections=PROJECTIONS,
    routers=(api.router, pages.router),
    commands=cli.COMMANDS,
)
