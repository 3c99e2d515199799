"""Composition: from a service's declaration to its ASGI app."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from fastapi import APIRouter, FastAPI

from services.chassis.http import add_outer
from services.chassis.log import LogSpec
from services.chassis.projection import ProjectionSpec
from services.chassis.routes import feed_routes, operations
from services.chassis.runtime import ROLES, Here, Runtime, get_runtime
from services.chassis.settings import Settings
from services.chassis.web.shell import mount_web


@dataclass(frozen=True, slots=True)
class CliCommand:
    """A verb of a service's own. ``run`` returns the exit code."""

    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Settings, argparse.Namespace], Any]


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it declares itself in its ``app.py``.

    log: makes the spec of its log, or None; limits: body bytes per path prefix over the default of 1 MiB.
    """

    name: str
    package: str
    log: Callable[[Settings], LogSpec] | None = None
    projections: tuple[ProjectionSpec, ...] = ()
    routers: tuple[APIRouter, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    commands: Mapping[str, CliCommand] = field(default_factory=dict)

    def runtime(self, settings: Settings, roles: Sequence[str] = ROLES) -> Runtime:
        """A process of this service, not started."""
        return Runtime(self.name, settings, self.log(settings) if self.log else None, self.projections, roles)


def create_app(service: Service, settings: Settings, roles: Sequence[str] = ROLES) -> FastAPI:
    """The service's ASGI app; the lifespan starts and stops its runtime."""
    runtime = service.runtime(settings, roles)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await runtime.start()
        yield
        await runtime.stop()
        await web.close()

    app = FastAPI(
        title=f"Apudiaari: {service.name}",
        version="1",
        openapi_url=None,  # The route in `operations` serves it, since every route declares its action.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.runtime = runtime
    web = mount_web(app, settings, service.name, database=runtime.database, package=import_module(service.package))
    for router in service.routers:
        app.include_router(router)
    app.include_router(operations)
    if service.log:
        app.include_router(feed_routes)
    add_outer(app, dict(service.limits))
    return app


__all__ = ["CliCommand", "Here", "Runtime", "Service", "create_app", "get_runtime"]
