"""What pages and programs ask of the counter alike: what it knows now, where one may act, a stamp, an import."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any
from uuid import UUID

from services.chassis import access, clock
from services.chassis.access import Action, Principal, Resource
from services.chassis.errors import Conflict, Invalid, NotFound
from services.chassis.runtime import Runtime
from services.diary import imports, stamps
from services.diary.context import DiaryContext
from services.diary.domain.register import Register
from services.diary.staff import staff_ref


async def stamp(here: Runtime, who: Principal, stamp_id: UUID, service_point_id: str) -> tuple[dict[str, Any], bool]:
    """A stamp at a point, by the server's clock and not the caller's; True if it had been made before."""
    now = clock.now()
    require_point(await register(here), who, Action.RECORD_DOCUMENT, service_point_id, now.astimezone(clock.HELSINKI))
    recorder = staff_ref(here.settings.feed_secret_bytes, who)
    return await stamps.make(here.database, here.signer, stamp_id, service_point_id, recorder, now)


async def register(here: Runtime) -> Register:
    """What the counter knows now, for readers."""
    assert here.log is not None and isinstance(here.log.context, DiaryContext)
    async with here.database.reading() as connection:
        return await here.log.context.pages.current(connection)


def require_point(known: Register, who: Principal, action: Action, service_point_id: str, moment: dt.datetime) -> None:
    """The right to do something at a point for which no authority is named yet. Raises Invalid for an unknown point."""
    point = known.points.get(service_point_id)
    if point is None:
        raise Invalid("unknown_service_point", "There is no such service point.", pointer="/service_point_id")
    own = frozenset({who.party_id}) if who.party_id else frozenset[str]()
    access.require(who, action, Resource(own, point.on(moment.date()).provider_id, point.id))


async def run_import(
    here: Runtime, who: Principal, content: bytes, service_point_id: str | None, import_id: UUID
) -> tuple[dict[str, Any], bool]:
    """The report of an import, and whether it was run before."""
    if not service_point_id:
        raise Invalid(
            "service_point_missing", "Say at which point: ?service_point_id=…", pointer="/query/service_point_id"
        )
    known = await register(here)
    require_point(known, who, Action.IMPORT_VISITS, service_point_id, clock.now())
    async with here.database.reading() as connection:
        before = await imports.stored(connection, import_id)
        rejected = await imports.rejections(connection, import_id) if before else []
    if before is not None:
        same = before.content_sha256 == hashlib.sha256(content).hexdigest()
        if not same or before.service_point_id != service_point_id:
            raise Conflict("id_reused", "This id was used for another file. Make a new id.", pointer="/query/id")
        return imports.shown(before, rejected), True
    provider = known.points[service_point_id].on(clock.helsinki_day(clock.now())).provider_id
    recorder = staff_ref(here.settings.feed_secret_bytes, who)
    point = (service_point_id, provider)
    report = await imports.run(here.writer, here.database, who, point, import_id, content, recorder)
    return report, False


async def stored_import(here: Runtime, who: Principal, import_id: UUID) -> tuple[Any, Any]:
    """The report and its rows, for whom they concern; what is not there and what is another's look the same."""
    async with here.database.reading() as connection:
        row = await imports.stored(connection, import_id)
        rejected = await imports.rejections(connection, import_id) if row else []
    resource = Resource(provider_id=row.provider_id, point_id=row.service_point_id) if row else None
    if resource is None or not access.may(who, Action.IMPORT_VISITS, resource):
        raise NotFound("unknown_import", "There is no such import, or it is not yours to see.")
    return row, rejected
