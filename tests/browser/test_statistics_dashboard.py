"""The dashboard as an official meets it: figures that follow the log under her eyes and never take the focus away."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from services.chassis.db import Database
from tests.support.browsing import chromium, require_chromium, serving
from tests.support.databases import ServiceDatabase
from tests.support.statistics_app import fold
from tests.support.statistics_events import Logs, make_logs
from tests.support.tokens import TokenIssuer

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Dashboard:
    """A running service, its database, and what it has folded."""

    url: str
    browser: Browser
    issuer: TokenIssuer
    database: Database
    logs: Logs

    async def context(self, role: str = "ministry", **options: Any) -> BrowserContext:
        context = await self.browser.new_context(
            base_url=self.url, extra_http_headers=self.issuer.headers(role), locale="en-GB", **options
        )
        context.set_default_timeout(8_000)
        return context

    async def one_more_visit(self) -> None:
        """A visit for the tax administration at Salla, today, folded as the projector would."""
        self.logs.diary.add("VisitRecorded", "piste-732-1", visit(), "2026-11-24T10:00:00Z")
        await fold(self.database, [self.logs.diary])


def visit() -> dict[str, Any]:
    act = {
        "act_no": 1, "authority_id": "vero", "service": "verokortti", "task": "advise", "channel": "counter",
        "quantity": 1, "performed_by": "adviser", "coverage": {"status": "in_force", "agreements_position": 1},
    }  # fmt: skip
    facts = {
        "occurred_at": "2026-11-24T11:00:00+02:00", "service_day": "2026-11-24", "hour": 11, "customers": 1,
        "language": "fi", "place": "point", "acts": [act],
    }  # fmt: skip
    return {
        "visit_id": "5c4d8a15-42b0-40b9-8126-62bc80e106a9", "service_point_id": "piste-732-1",
        "provider_id": "kunta-732", "recorder": "neuvoja-732-1", "visit": facts,
    }  # fmt: skip


@pytest.fixture(scope="module")
async def dashboard(
    run_folder: Path, service_database: Callable[[str], ServiceDatabase], token_issuer: TokenIssuer
) -> AsyncIterator[Dashboard]:
    require_chromium()
    database = service_database("statistics")
    connected, logs = Database(database.app_dsn, pool_size=2), make_logs(800)
    await fold(connected, logs)
    async with serving("statistics", database, run_folder, token_issuer) as url, chromium() as browser:
        yield Dashboard(url, browser, token_issuer, connected, logs)
    await connected.close()


async def test_a_new_visit_changes_the_figures_and_leaves_the_focus(dashboard: Dashboard) -> None:
    context = await dashboard.context()
    page = await context.new_page()
    await page.goto("/?lang=en")
    before = int((await page.locator(".stat-value").first.inner_text()).replace("\u00a0", ""))
    await page.locator("#region").focus()
    tables = page.locator("[data-part=by-channel] details")
    await tables.locator("summary").click()
    await page.locator("#region").focus()
    await dashboard.one_more_visit()
    await expect(page.locator(".stat-value").first).to_have_text(f"{before + 1:,}".replace(",", "\u00a0"))
    await expect(page.locator("#region")).to_be_focused()
    await expect(tables).to_have_attribute("open", "")
    position = f"{dashboard.logs.diary.position:,}".replace(",", "\u00a0")
    await expect(page.locator(".fresh")).to_contain_text(position)
    await context.close()


async def test_what_is_being_read_with_the_keyboard_is_left_alone(dashboard: Dashboard) -> None:
    context = await dashboard.context()
    page = await context.new_page()
    await page.goto("/?lang=en")
    link = page.locator("[data-part=by-channel] .csv a")
    await link.focus()
    before = await page.locator(".fresh").inner_text()
    await dashboard.one_more_visit()
    await expect(page.locator(".fresh")).not_to_have_text(before)
    await expect(link).to_be_focused()
    await context.close()


async def test_filters_work_by_keyboard_and_without_javascript(dashboard: Dashboard) -> None:
    context = await dashboard.context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/?lang=en")
    await page.locator("#point").select_option("piste-732-1")
    await page.get_by_role("button", name="Show").press("Enter")
    await expect(page).to_have_url(re.compile("point=piste-732-1"))
    assert await page.locator("#point").input_value() == "piste-732-1"
    await expect(page.locator("[data-part=key]")).to_be_visible()
    await page.get_by_role("link", name="Clear the filters").press("Enter")
    await expect(page.locator("figure")).to_have_count(7)
    await context.close()


async def test_every_chart_says_its_finding_and_has_its_table(dashboard: Dashboard) -> None:
    context = await dashboard.context(viewport={"width": 320, "height": 700})
    page = await context.new_page()
    await page.goto("/?lang=sv")
    for figure in await page.locator("figure.chart").all():
        finding = (await figure.locator("svg desc").text_content() or "").strip()
        assert finding and finding == (await figure.locator("figcaption span").inner_text()).strip()
        await figure.locator("summary").click()
        assert await figure.locator("tbody tr").count() > 1
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    await context.close()


async def test_the_printed_page_has_figures_and_no_form(dashboard: Dashboard) -> None:
    context = await dashboard.context()
    page = await context.new_page()
    await page.goto("/?lang=fi")
    await page.emulate_media(media="print")
    await expect(page.locator("form.filters")).to_be_hidden()
    await expect(page.locator(".stat-value").first).to_be_visible()
    await context.close()
