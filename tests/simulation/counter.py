"""A counter with several points, whose commands go to the diary's real deciders: what every history here is made of."""

from __future__ import annotations

import datetime as dt
import random
from uuid import UUID

from pydantic import SecretStr

from services.chassis.access import Principal, Role
from services.chassis.db import Database
from services.chassis.log import Command, LogSpec
from services.chassis.settings import Settings
from services.diary import handlers
from services.diary.domain.entries import CorrectVisit, RecordVisit, VoidVisit
from tests.support import diary

POINTS = (diary.SALLA, *(f"piste-732-{number}" for number in range(2, 9)))
"""Enough for several of the twelve partitions."""
ADVISER = Principal("adviser", "test", frozenset({Role.ADVISER}), "kunta-732", frozenset(POINTS))
FEED_SECRET = "5e" * 32


def settings(dsn: str) -> Settings:
    """Settings of a process that needs no broker."""
    return Settings(database_url=SecretStr(dsn), feed_secret=SecretStr(FEED_SECRET))


def log_spec(dsn: str) -> LogSpec:
    """The diary's log, as each process makes its own."""
    return handlers.log_spec(settings(dsn))


async def furnish(database: Database) -> None:
    """Let the diary know its points, authorities and agreements."""
    more = [diary.point(point, diary.MUNICIPALITY, "732", f"Salla {point}") for point in POINTS[1:]]
    await diary.know(database, [*diary.small_register(), *more])


def visit(visit_id: UUID, point: str = diary.SALLA, *, quantity: int = 1, both: bool = False) -> Command:
    """A visit of today: housing advice, and at some also a tax card."""
    acts = [diary.act(quantity=quantity)]
    if both:
        acts.append(diary.act(authority_id="vero", service="verokortti", task="identify"))
    body = diary.visit(service_point_id=point, occurred_at=dt.datetime.now(dt.UTC), late_reason="other", acts=acts)
    return handlers.visit_command(visit_id, RecordVisit.model_validate(body), ADVISER)


def correction(command_id: UUID, visit_id: UUID, based_on: int, point: str, quantity: int) -> Command:
    """The same visit with another quantity."""
    body = diary.visit(
        service_point_id=point,
        occurred_at=dt.datetime.now(dt.UTC),
        late_reason="other",
        acts=[diary.act(quantity=quantity)],
    )
    change = CorrectVisit.model_validate(
        {"id": command_id, "based_on": based_on, "reason": "wrong_quantity", "visit": body}
    )
    return handlers.change_command(visit_id, change, ADVISER)


def void(command_id: UUID, visit_id: UUID, based_on: int) -> Command:
    """The visit taken back."""
    change = VoidVisit.model_validate({"id": command_id, "based_on": based_on, "reason": "mistake"})
    return handlers.change_command(visit_id, change, ADVISER)


def point_of(command: Command) -> str:
    """The point that a visit or its correction is at."""
    payload = command.payload
    return str(payload.visit.service_point_id if isinstance(payload, CorrectVisit) else payload.service_point_id)


def new_id(luck: random.Random) -> UUID:
    """A client's UUID out of the seed."""
    return UUID(int=luck.getrandbits(128), version=4)
