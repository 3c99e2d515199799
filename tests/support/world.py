"""Real processes of services on databases of their own, without a supervisor: a test decides who lives."""

from __future__ import annotations

import tempfile
from pathlib import Path

from deploy.dev.broker import Broker
from deploy.dev.environment import SERVICES, Surroundings, service_environment
from deploy.dev.layout import REPOSITORY, Command, CreateTopics, create_topics, service_command
from deploy.dev.lifecycle import HttpProgram, end_all, service_program
from deploy.dev.process import free_port
from tests.support.databases import Databases, ServiceDatabase
from tests.support.tokens import TokenIssuer


class World:
    """Up to four services. Addresses are fixed at the start, so that they can know each other."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        databases: Databases,
        issuer: TokenIssuer,
        *,
        command: Command = service_command,
        create_topics: CreateTopics = create_topics,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="world-", dir=folder))
        self.broker = broker
        self.issuer = issuer
        self.ports = {service: free_port() for service in SERVICES}
        self.base_urls = {service: f"http://127.0.0.1:{port}" for service, port in self.ports.items()}
        self.around = Surroundings(
            base_urls=self.base_urls, broker=broker, keys=self.folder / "keys", token_issuer=issuer.url
        )
        self._databases = databases
        self._own: dict[str, ServiceDatabase] = {}
        self._running: dict[str, HttpProgram] = {}
        self._command, self._create_topics = command, create_topics

    def database(self, service: str) -> ServiceDatabase:
        """The service's migrated database in this world."""
        if service not in self._own:
            self._own[service] = self._databases.migrated(service)
        return self._own[service]

    def environment(self, service: str) -> dict[str, str]:
        """The `APUDIAARI_…` variables of the service, also for settings inside the test."""
        database = self.database(service)
        return service_environment(
            service,
            self.around,
            app_dsn=database.app_dsn,
            owner_dsn=database.owner_dsn,
            port=self.ports[service],
        )

    async def create_topics(self) -> None:
        """Create the platform's topics; before any service starts."""
        await self._create_topics(self.environment("diary"))

    async def start(self, *services: str) -> None:
        """Start the services and return when they are ready."""
        for service in services:
            self._running[service] = HttpProgram(
                service_program(
                    service,
                    self._command(service, "serve"),
                    self.environment(service),
                    log=self.folder / f"{service}.log",
                    repository=REPOSITORY,
                ),
                port=self.ports[service],
                ready_path="/health/ready",
            )
            self._running[service].spawn()
        for service in services:
            await self._running[service].until_ready()

    def kill9(self, service: str) -> None:
        """End a service as a crash would; `start` brings it back on the same database."""
        self._running[service].kill9()

    async def stop(self, *services: str) -> None:
        """End services politely."""
        await end_all([self._running[service] for service in services])

    async def end(self) -> None:
        """End everything and delete the databases."""
        await end_all(self._running.values())
        for database in self._own.values():
            self._databases.drop(database)
