"""Routes that every service has: health, metrics, projections, keys; and the feeds of those that keep a log."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from schemas.base import Slug
from services.chassis import access, clock
from services.chassis.access import Action, Principal, Resource
from services.chassis.evidence.signing import key_list
from services.chassis.http import Json
from services.chassis.identity import rule
from services.chassis.log import feeds
from services.chassis.projection import registry
from services.chassis.runtime import Here

Anyone = Annotated[Principal, rule(Action.OPEN)]
FeedReader = Annotated[Principal, rule(Action.READ_FEED)]
Operator = Annotated[Principal, rule(Action.OPERATE)]

operations = APIRouter()
feed_routes = APIRouter()


@operations.get("/health/live", tags=["operations"])
async def live(_: Anyone) -> Json:
    """The process answers."""
    return Json({"status": "live"})


@operations.get("/health/ready", tags=["operations"])
async def ready(_: Anyone, runtime: Here) -> Json:
    """Whether the process may be sent requests, and everything that is not as it should be."""
    reasons = await runtime.reasons()
    blocked = any(reason.blocking for reason in reasons)
    status = "unavailable" if blocked else "degraded" if reasons else "ready"
    listed = [{"code": r.code, "detail": r.detail, "blocking": r.blocking} for r in reasons]
    return Json({"status": status, "reasons": listed}, 503 if blocked else 200)


@operations.get("/metrics", tags=["operations"])
async def metrics(_: Anyone) -> Response:
    """Prometheus metrics. They carry no authority's figures and no person's."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@operations.get("/openapi.json", include_in_schema=False)
async def description(_: Anyone, request: Request) -> Json:
    """The OpenAPI 3.1 description of the service."""
    return Json(request.app.openapi())


@operations.get("/api/projections", tags=["operations"])
async def projections(_: Operator, runtime: Here) -> Json:
    """Every version of every projection, where each partition stands, and what was parked."""
    items = []
    async with runtime.database.reading() as connection:
        for running in runtime.projections:
            parked = await registry.parked_counts(connection, running.spec.name)
            for version, state in (await registry.versions(connection, running.spec.name)).items():
                parts = await registry.partitions(connection, running.spec.name, version)
                items.append(
                    {
                        "projection": running.spec.name,
                        "version": version,
                        "state": state,
                        "parked": parked.get(version, 0),
                        "partitions": [
                            {
                                "topic": p.topic,
                                "partition": p.partition,
                                "position": p.position,
                                "sealed": p.sealed,
                                "state": p.state,
                                "reason": p.reason,
                            }
                            for p in parts
                        ],
                    }
                )
    return Json({"items": items, "next": None})


@operations.get("/api/keys", tags=["evidence"])
async def keys(_: Anyone, runtime: Here) -> Json:
    """The public keys by which this service's receipts, manifests and checkpoints are verified."""
    return Json(key_list([runtime.signer.public]))


@feed_routes.get("/api/feeds/{authority_id}", tags=["feeds"])
async def feed(
    who: FeedReader,
    runtime: Here,
    authority_id: Slug,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=feeds.MAX_PAGE)] = 200,
) -> Json:
    """An authority's own copies after a sequence, as exact bytes, in order and without a gap."""
    access.require(who, Action.READ_FEED, Resource(authority_ids=frozenset({authority_id})))
    async with runtime.database.reading() as connection:
        return Json((await feeds.page(connection, authority_id, after, limit)).json())


@feed_routes.get("/api/feeds/{authority_id}/manifests/{day}", tags=["feeds"])
async def manifest(who: FeedReader, runtime: Here, authority_id: Slug, day: dt.date) -> Json:
    """The signed manifest of a day; while the day lasts, of what is there yet (header ``apudiaari-day: open``)."""
    access.require(who, Action.READ_FEED, Resource(authority_ids=frozenset({authority_id})))
    body, over = await feeds.manifest(runtime.database, runtime.name, authority_id, day, runtime.signer, clock.now())
    response = Json(body)
    response.headers["apudiaari-day"] = "closed" if over else "open"
    return response
