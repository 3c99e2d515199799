"""Composition root of the agreements service."""

from __future__ import annotations

from services.agreements import api, pages
from services.agreements.cli import COMMANDS
from services.agreements.consumers import PROJECTIONS
from services.agreements.handlers import log_spec
from services.chassis.service import Service

SERVICE = Service(
    name="agreements",
    package="services.agreements",
    log=log_spec,
    projections=PROJECTIONS,
    routers=(api.router, pages.router),
    commands=COMMANDS,
)
