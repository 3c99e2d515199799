"""Composition root of the diary."""

from __future__ import annotations

from services.chassis.service import Service
from services.diary import api, cli, consumers, document_pages, handlers, import_api, import_pages, pages

SERVICE = Service(
    name="diary",
    package="services.diary",
    log=handlers.log_spec,
    projections=consumers.PROJECTIONS,
    routers=(api.router, import_api.router, pages.router, document_pages.router, import_pages.router),
    commands=cli.COMMANDS,
    limits={
        "/api/documents/": api.MAX_DOCUMENT_BODY_BYTES,
        "/api/imports": import_api.MAX_FORM_BYTES,
        "/counter/imports": import_api.MAX_FORM_BYTES,
    },
)
