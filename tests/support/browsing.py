"""A browser to look at pages with, and a service's own process to be looked at. A plugin of the tests of pages."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright import async_api, sync_api

from deploy.dev.environment import signing_key
from deploy.dev.layout import REPOSITORY
from deploy.dev.lifecycle import HttpProgram, end_all, service_program
from deploy.dev.process import free_port
from tests.support.databases import ServiceDatabase
from tests.support.diary_app import FEED_SECRET
from tests.support.tokens import TokenIssuer
from tests.support.unproven import not_proven

CHROMIUM = Path("/usr/bin/chromium")
LAUNCH: dict[str, Any] = {"executable_path": str(CHROMIUM), "args": ["--no-sandbox"]}


def require_chromium() -> None:
    """Skip, or fail in CI, when this machine has no browser."""
    if not CHROMIUM.exists():
        not_proven("pages in a browser (Chromium not installed)")


@asynccontextmanager
async def chromium() -> AsyncIterator[async_api.Browser]:
    """A browser for tests with an event loop."""
    require_chromium()
    async with async_api.async_playwright() as playwright:
        started = await playwright.chromium.launch(**LAUNCH)
        yield started
        await started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    """A browser for tests without one."""
    require_chromium()
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(**LAUNCH)
        yield started
        started.close()


@pytest.fixture
def person(browser: sync_api.Browser, site: Any) -> Iterator[Callable[..., sync_api.Page]]:
    """`person("authority", "kela", …)`: a page of somebody signed in at `site`; no JavaScript unless asked for."""
    contexts = []

    def open_page(role: str | None, party: str | None = None, *, script: bool = False, **options: Any) -> sync_api.Page:
        headers = site.issuer.headers(role, party) if role else {}
        contexts.append(browser.new_context(extra_http_headers=headers, java_script_enabled=script, **options))
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()


@asynccontextmanager
async def serving(service: str, database: ServiceDatabase, folder: Path, issuer: TokenIssuer) -> AsyncIterator[str]:
    """The address of a service's own process that serves requests, and neither relays nor projects."""
    port = free_port()
    environment = {
        **database.environment(),
        "APUDIAARI_PORT": str(port),
        "APUDIAARI_FEED_SECRET": FEED_SECRET,
        "APUDIAARI_SIGNING_KEY_FILE": str(signing_key(folder / "keys", service)),
        "APUDIAARI_ISSUERS": json.dumps([{"issuer": issuer.url, "jwks_url": f"{issuer.url}/jwks.json"}]),
        "APUDIAARI_SYNTHETIC": "true",
    }
    argv = [sys.executable, "-m", f"services.{service}", "serve", "--roles", "serve"]
    log = folder / f"{service}-pages.log"
    program = service_program(service, argv, environment, log=log, repository=REPOSITORY)
    process = HttpProgram(program, port=port, ready_path="/health/ready")
    process.spawn()
    try:
        await process.until_ready()
        yield f"http://127.0.0.1:{port}"
    finally:
        await end_all([process])
