"""One seeded platform for the whole run: real processes on a broker of their own, which nobody else empties."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.dev.environment import SERVICES
from deploy.dev.layout import service_settings
from deploy.dev.process import free_port
from deploy.dev.tansu import Tansu
from services.chassis.service import create_app
from tests.support.databases import Databases
from tests.support.isolation.people import ADVISER, KELA, KELA_STAFF, DataSet, Person, data_sets
from tests.support.isolation.requests import Asked
from tests.support.isolation.seed import Surface, load, load_register
from tests.support.isolation.views import View, requests_of, view
from tests.support.tokens import TokenIssuer
from tests.support.world import World

NOWHERE = "http://127.0.0.1:9"
"""A persons' provider that does not answer: its routes are there to be walked, and nobody signs in."""


@dataclass
class Platform:
    """The running services with three data sets, and what some people saw before others' data came.

    ``views``: (person, stage) → what they saw; stage 0: only Kela at Salla; 1: with tax at Kemijärvi; 2: with all.
    """

    surface: Surface
    sets: tuple[DataSet, DataSet, DataSet]
    routes: dict[str, list[Any]]
    views: dict[tuple[str, int], View] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)

    async def ask(self, person: Person, request: Asked) -> httpx.Response:
        """Send a request of the walk."""
        options = dict(request.options)
        for _ in range(2):
            try:
                return await self.surface.ask(
                    request.service, person, request.method, request.path, accept=request.accept, **options
                )
            except httpx.TransportError:
                continue  # After a failure of its own the server closes the connection that the next request is on.
        raise AssertionError(f"no answer to {request.method} {request.path}")

    async def look(self, stage: int, *people: Person) -> None:
        """Keep what the people see now; later stages ask what the first asked."""
        self.asked = self.asked or requests_of(self.routes, [self.sets[0], self.sets[2]])
        for person in people:
            self.views[person.name, stage] = await view(person, self.asked, self.ask)


@pytest.fixture(scope="session")
def own_broker(run_folder: Path) -> Iterator[Tansu]:
    """An embedded broker that no other module clears."""
    broker = Tansu(run_folder / "isolation-tansu", port=free_port())
    try:
        broker.start()
        yield broker
    finally:
        broker.kill9()


@pytest.fixture(scope="session")
async def platform(
    run_folder: Path, own_broker: Tansu, databases: Databases, token_issuer: TokenIssuer
) -> AsyncIterator[Platform]:
    """All four services, loaded in stages."""
    world = World(run_folder, own_broker, databases, token_issuer)
    world.around = dataclasses.replace(world.around, persons_issuer=NOWHERE, synthetic=True)
    try:
        await world.create_topics()
        await world.start(*SERVICES)
        async with httpx.AsyncClient(timeout=30) as http:
            made = Platform(Surface(world, http), data_sets(), routes_of(world))
            await load_in_stages(made)
            yield made
    finally:
        await world.end()


def routes_of(world: World) -> dict[str, list[Any]]:
    """The routes of each service, from an app like the one that runs."""
    found = {}
    for service in SERVICES:
        declared = importlib.import_module(f"services.{service}.app").SERVICE
        found[service] = create_app(declared, service_settings(world.environment(service))).routes
    return found


async def load_in_stages(made: Platform) -> None:
    """Kela at Salla; then tax at Kemijärvi, also in an earlier month; then tax at Salla, in the same room."""
    kela, vero, elsewhere = made.sets
    await load_register(made.surface, made.sets)
    await load(made.surface, kela)
    await made.look(0, KELA, ADVISER)
    await load(made.surface, elsewhere, months_back=1)
    await made.look(1, KELA, ADVISER, KELA_STAFF)
    await load(made.surface, vero)
    await made.look(2, KELA, KELA_STAFF)
