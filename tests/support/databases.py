"""A database per test module, copied from a template that the service's own migrations made once per run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.dev.postgres import Postgres

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class ServiceDatabase:
    """One database of a service with the addresses of the roles that may use it (`postgresql://…`)."""

    name: str
    service: str
    app_dsn: str
    owner_dsn: str
    admin_dsn: str

    def environment(self) -> dict[str, str]:
        """The settings by which a process of the service finds it."""
        return {"APUDIAARI_DATABASE_URL": self.app_dsn, "APUDIAARI_OWNER_DATABASE_URL": self.owner_dsn}


class Databases:
    """Makes databases on one cluster; names are never used twice in a run."""

    _made = 0  # Shared by all instances: they share the cluster.

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self._templates: dict[str, ServiceDatabase] = {}

    def empty(self, service: str) -> ServiceDatabase:
        """A database without any table, with the service's two roles."""
        self.postgres.create_roles(service)
        name = self._next_name(service)
        self.postgres.create_database(name, service)
        return self._describe(name, service)

    def migrated(self, service: str) -> ServiceDatabase:
        """A copy of the migrated database of the service. Takes about 0.1 s after the first."""
        if service not in self._templates:
            template = self.empty(service)
            migrate(template)
            self._templates[service] = template
        name = self._next_name(service)
        self.postgres.clone_database(self._templates[service].name, name)
        return self._describe(name, service)

    def copy(self, database: ServiceDatabase) -> ServiceDatabase:
        """A copy of a database as it is now; ends the connections to it."""
        name = self._next_name(database.service)
        self.postgres.clone_database(database.name, name)
        return self._describe(name, database.service)

    def drop(self, database: ServiceDatabase) -> None:
        self.postgres.drop_database(database.name)

    def _next_name(self, service: str) -> str:
        Databases._made += 1
        return f"test_{service}_{Databases._made}"

    def _describe(self, name: str, service: str) -> ServiceDatabase:
        return ServiceDatabase(
            name=name,
            service=service,
            app_dsn=self.postgres.dsn(name, f"{service}_app"),
            owner_dsn=self.postgres.dsn(name, f"{service}_owner"),
            admin_dsn=self.postgres.dsn(name, "postgres"),
        )


def migrate(database: ServiceDatabase) -> None:
    """Run the service's own `migrate`, as an operator would."""
    argv = [sys.executable, "-m", f"services.{database.service}", "migrate"]
    environment = os.environ | database.environment()
    done = subprocess.run(
        argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"`{' '.join(argv[1:])}` failed:\n{done.stdout}{done.stderr}"
