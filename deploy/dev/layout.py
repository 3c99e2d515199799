"""Where things listen, and how programs of the services are called. No other module repeats it."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.dev.environment import SERVICES

if TYPE_CHECKING:
    from services.chassis.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]

CreateTopics = Callable[[dict[str, str]], Awaitable[None]]
"""Creates the topics, told by the environment of a service."""
Command = Callable[[str, str], list[str]]
"""Program and arguments for a service and a verb."""


@dataclass(frozen=True)
class Ports:
    """Where everything listens on 127.0.0.1."""

    postgres: int = 15432
    broker: int = 19092
    persons: int = 8110
    tokens: int = 8111
    services: dict[str, int] = field(default_factory=lambda: dict(zip(SERVICES, range(8101, 8105), strict=True)))

    def all(self) -> dict[str, int]:
        """Each port with what needs it."""
        servers = {"PostgreSQL": self.postgres, "the broker": self.broker}
        issuers = {"the persons' provider": self.persons, "the token issuer": self.tokens}
        return servers | issuers | {f"the service {name}": port for name, port in self.services.items()}


def service_command(service: str, verb: str) -> list[str]:
    """How a service is started, or migrated."""
    return [sys.executable, "-m", f"services.{service}", verb]


async def create_topics(environment: dict[str, str]) -> None:
    """Create the platform's topics, as every deployment does."""
    # Imported late: the parts beneath can be run and tested without the services.
    from services.chassis.broker import ensure_topics  # noqa: PLC0415

    await ensure_topics(service_settings(environment))


def service_settings(environment: dict[str, str]) -> Settings:
    """The settings that a process with this environment would read."""
    from services.chassis.settings import Settings  # noqa: PLC0415

    values: dict[str, Any] = {name.removeprefix("APUDIAARI_").lower(): value for name, value in environment.items()}
    for name in ("base_urls", "issuers"):
        values[name] = json.loads(values[name])
    return Settings.model_validate(values)
