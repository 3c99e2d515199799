"""Composition root of billing."""

from __future__ import annotations

from services.billing import api, commands, consumers, handlers, pages
from services.chassis.service import Service

SERVICE = Service(
    name="billing",
    package="services.billing",
    log=handlers.log_spec,
    projections=consumers.PROJECTIONS,
    routers=(api.router, pages.router),
    commands=commands.COMMANDS,
)
