"""Composition root of the agreements service."""

from __future__ import annotations

from fastapi import FastAPI

from services.agreements import api, pages
from services.agreements.cli import COMMANDS
from services.agreements.consumers import PROJECTIONS
from services.agreements.handlers import log_spec
from services.chassis import service
from services.chassis.service import Service
from services.chassis.settings import Settings

SERVICE = Service(
    name="agreements",
    package="services.agreements",
    log=log_spec,
    projections=PROJECTIONS,
    routers=(api.router, pages.router),
    commands=COMMANDS,
)


def create(settings: Settings) -> FastAPI:
    """The ASGI app of the service."""
    return service.create_app(SERVICE, settings)
