"""Every page of the four services in a real browser: no axe finding, no sideways scroll, nothing said on the console.

Each page in three languages, light, on a wide screen; in Finnish also dark on a telephone and in forced colours. The
pictures stay in `.run/screens`, to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from deploy.dev.environment import SERVICES
from tests.architecture.sources import ROOT
from tests.support.browsing import chromium
from tests.support.isolation.people import ADVISER, KELA, MANAGER, MINISTRY, OPERATOR, PROVIDER, PUBLIC, DataSet, Person
from tests.support.isolation.requests import api_routes
from tests.support.isolation_fixtures import Platform

pytest_plugins = ["tests.support.isolation_fixtures"]
pytestmark = pytest.mark.browser

SCREENS = ROOT / ".run" / "screens"
SCREENS.mkdir(parents=True, exist_ok=True)
WIDE, NARROW = 1280, 320


@dataclass(frozen=True)
class View:
    """One look at a page."""

    language: str
    colours: Literal["light", "dark"]
    width: int
    forced: Literal["active", "none"] = "none"

    @property
    def name(self) -> str:
        return f"{self.language}-{'forced' if self.forced == 'active' else self.colours}-{self.width}"


VIEWS = (
    *(View(language, "light", WIDE) for language in ("fi", "sv", "en")),
    View("fi", "dark", NARROW),
    View("fi", "dark", WIDE, "active"),
)


@dataclass(frozen=True)
class Shown:
    """A page, who looks at it, and where it is for a data set; ``template`` is its route."""

    name: str
    service: str
    who: Person
    template: str
    path: Callable[[DataSet], str]
    status: int = 200


def page(name: str, service: str, who: Person, template: str, query: str = "", status: int = 200) -> Shown:
    return Shown(name, service, who, template, lambda data: _filled(template, data) + query, status)


def _filled(template: str, data: DataSet) -> str:
    values = {
        "visit_id": data.visits[0], "document_id": data.documents[0], "import_id": data.imports[0], "line_no": 1,
        "agreement_id": data.agreement, "point_id": data.point, "invoice_id": data.invoices[0]["invoice_id"],
        "run_id": data.runs[0],
    }  # fmt: skip
    return re.sub(r"\{(\w+)\}", lambda match: str(values[match.group(1)]), template)


PAGES = (
    page("welcome", "diary", PUBLIC, "/"),
    page("counter", "diary", ADVISER, "/"),
    page("visit", "diary", ADVISER, "/counter/visits/{visit_id}"),
    page("correct", "diary", ADVISER, "/counter/visits/{visit_id}/correct"),
    page("void", "diary", ADVISER, "/counter/visits/{visit_id}/void"),
    Shown(
        "receive",
        "diary",
        ADVISER,
        "/counter/documents/new",
        lambda d: f"/counter/documents/new?stamp_id={d.stamps[1]}",
    ),
    page("document", "diary", ADVISER, "/counter/documents/{document_id}"),
    page("imports", "diary", MANAGER, "/counter/imports"),
    page("import", "diary", MANAGER, "/counter/imports/{import_id}"),
    page("refused", "diary", PUBLIC, "/counter/imports", status=401),
    page("welcome", "agreements", PUBLIC, "/"),
    page("list", "agreements", PROVIDER, "/"),
    page("agreement", "agreements", PROVIDER, "/agreements/{agreement_id}"),
    page("approve", "agreements", KELA, "/agreements/{agreement_id}/approve"),
    page("amend", "agreements", PROVIDER, "/agreements/{agreement_id}/amend"),
    page("terminate", "agreements", PROVIDER, "/agreements/{agreement_id}/terminate"),
    page("points", "agreements", ADVISER, "/points"),
    page("point", "agreements", ADVISER, "/points/{point_id}"),
    page("missing", "agreements", KELA, "/points/{point_id}", "-none", status=404),
    page("welcome", "billing", PUBLIC, "/"),
    page("invoices", "billing", PROVIDER, "/"),
    page("invoices-payer", "billing", KELA, "/"),
    page("invoice", "billing", PROVIDER, "/invoices/{invoice_id}"),
    page("line", "billing", PROVIDER, "/invoices/{invoice_id}/lines/{line_no}"),
    page("run-form", "billing", PROVIDER, "/run"),
    page("run", "billing", PROVIDER, "/runs/{run_id}"),
    page("welcome", "statistics", PUBLIC, "/"),
    page("dashboard", "statistics", MINISTRY, "/"),
    page("dashboard-authority", "statistics", KELA, "/"),
    page("measures", "statistics", PUBLIC, "/measures"),
    page("operations", "statistics", OPERATOR, "/operations"),
)
NO_PAGES = re.compile(r"^/(api|static|health|metrics|openapi|sign-|live|download\.csv)")


@pytest.fixture(scope="module")
async def window() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.mark.parametrize("service", SERVICES)
async def test_no_page_is_left_out(platform: Platform, service: str) -> None:
    routes = api_routes(platform.routes[service])
    there = {template for method, template, _ in routes if method == "GET" and not NO_PAGES.match(template)}
    assert there == {each.template for each in PAGES if each.service == service}


@pytest.mark.parametrize("shown", PAGES, ids=lambda shown: f"{shown.service}-{shown.name}")
async def test_a_page_is_fit_for_everybody(platform: Platform, window: Browser, shown: Shown) -> None:
    address = platform.surface.world.base_urls[shown.service] + shown.path(platform.sets[0])
    context = await window.new_context(locale="fi-FI", extra_http_headers=platform.surface.headers(shown.who))
    tab = await context.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    findings = {view: await look(tab, address, shown, view) for view in VIEWS}
    await context.close()
    assert {view: found for view, found in findings.items() if found} == {}, address
    # A status that is an error is itself reported; anything else is a fault of ours, such as a refused inline style.
    assert [text for text in said if f"status of {shown.status}" not in text] == []


async def look(tab: Page, address: str, shown: Shown, view: View) -> list[str]:
    """What is wrong with a page in one view; leaves a picture of it."""
    await tab.set_viewport_size({"width": view.width, "height": 900})
    await tab.emulate_media(color_scheme=view.colours, forced_colors=view.forced)
    separator = "&" if "?" in address else "?"
    answer = await tab.goto(f"{address}{separator}lang={view.language}", wait_until="load")
    assert answer is not None
    found = [] if answer.status == shown.status else [f"status {answer.status}"]
    if await tab.get_attribute("html", "lang") != view.language:
        found.append("another language than asked for")
    violations = (await Axe().run(tab)).response["violations"]
    found += [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in violations]
    over = await tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    found += [f"scrolls sideways by {over} px"] if over > 0 else []
    name = f"{shown.service}-{shown.name}-{view.name}.png"
    await tab.screenshot(path=SCREENS / name, full_page=view.language == "fi")
    return found
