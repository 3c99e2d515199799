"""Composition root of billing."""

from __future__ import annotations

from fastapi import FastAPI

from services.billing import api, commands, consumers, handlers, pages
from services.chassis import service
from services.chassis.service import Service
from services.chassis.settings import Settings

SERVICE = Service(
    name="billing",
    package="services.billing",
    log=handlers.log_spec,
    projections=consumers.PROJECTIONS,
    routers=(api.router, pages.router),
    commands=commands.COMMANDS,
)


def create() -> FastAPI:
    """The ASGI app, with settings from the environment."""
    return service.create_app(SERVICE, Settings())
