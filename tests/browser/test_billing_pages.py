"""The pages of billing as people meet them: no JavaScript, three languages, wide and narrow, light and dark."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from sqlalchemy import text

from deploy.dev.process import free_port
from schemas.agreements import Vat
from services.billing.app import SERVICE
from services.billing.pages_run import months_over
from services.chassis.clock import helsinki_day, now
from services.chassis.db import Database
from services.chassis.service import create_app
from tests.integration.billing_stage import Stage, settings_for
from tests.support.billing_world import PROVIDER, act, ident, tariff
from tests.support.databases import ServiceDatabase
from tests.support.tokens import TokenIssuer

SHOTS = os.environ.get("APUDIAARI_SHOTS")
"""A folder for screenshots of every page, to be looked at."""
pytestmark = pytest.mark.browser
pytest_plugins = ["tests.support.browsing"]


@dataclass
class Site:
    """The running service with two months invoiced, one of them corrected since."""

    url: str
    issuer: TokenIssuer
    stage: Stage
    invoices: dict[str, str]
    month: str

    def tell(self, change: Callable[[Stage], None]) -> None:
        """Something happens, and billing hears of it."""
        change(self.stage)
        aside(_heard(self.stage))

    def sql(self, statement: str) -> None:
        async def work() -> None:
            async with self.stage.database.transaction() as connection:
                await connection.execute(text(statement))
            await self.stage.database.engine.dispose()

        aside(work())

    def run(self, month: str) -> list[dict[str, Any]]:
        body = {"id": str(uuid4()), "provider_id": PROVIDER, "period": month}
        headers = self.issuer.headers("provider", PROVIDER)
        answer = httpx.post(f"{self.url}/api/runs", json=body, headers=headers).raise_for_status()
        return list(answer.json()["invoices"])


def aside(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in a thread of its own: Playwright's loop occupies this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result(60)


async def _heard(stage: Stage) -> None:
    await stage.hear()
    await stage.database.engine.dispose()


@pytest.fixture(scope="module")
def site(service_database: Callable[[str], ServiceDatabase], token_issuer: TokenIssuer) -> Iterator[Site]:
    database = service_database("billing")
    settings = settings_for(database, token_issuer).model_copy(update={"port": free_port()})
    app = create_app(SERVICE, settings, roles=("serve",))
    server = uvicorn.Server(uvicorn.Config(app, port=settings.port, log_level="warning"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    stage = Stage(httpx.AsyncClient(), Database(database.app_dsn, pool_size=2), token_issuer)
    last, before = months_over(helsinki_day(now()), 2)
    site = Site(f"http://127.0.0.1:{settings.port}", token_issuer, stage, {}, last)
    site.tell(lambda it: _history(it, before, last))
    for document in [*site.run(before), *site.run(last)]:
        site.invoices.setdefault(document["payer_id"], document["invoice_id"])
    site.tell(lambda it: it.history.void(f"{before}-3"))
    site.tell(lambda it: it.history.amend("kela", f"{before}-01", _prices("13.20")))
    site.invoices["corrected"] = site.run(last)[0]["invoice_id"]
    yield site
    server.should_exit = True
    thread.join(15)


def _prices(price: str) -> list[dict[str, Any]]:
    return [
        tariff("t1", price, task="advise"),
        tariff("t2", "0.6550", "per_minute", task="identify"),
        tariff("kk", "310.00", "fixed_monthly"),
    ]


def _history(stage: Stage, before: str, last: str) -> None:
    history = stage.history
    history.party(PROVIDER, "municipal", "Pedersören kunta – Pedersöre kommun")
    history.party("kela", "kela", "Kansaneläkelaitos (Kela)")
    history.party("vero", "state", "Verohallinto")
    history.party("dvv", "state", "Digi- ja väestötietovirasto")
    history.point()
    history.point("piste-732-2", municipality="732")
    points = ("piste-732-1", "piste-732-2")
    history.sign("kela", _prices("12.50"), points=points)
    history.sign("vero", [tariff("t1", "9.90", authority_id="vero")], commissioners=("vero",), vat=Vat(rate="25.5"))
    package = tariff("t1", "15.00", "included_then_per_act", included=5, authority_id="dvv")
    history.sign("dvv", [package], commissioners=("dvv",), services=[("dvv", "muuttoilmoitus")])
    for month in (before, last):
        for number in range(1, 29):
            history.visit(f"{month}-{number}", f"{month}-{number:02d}", act(), point=points[number % 2])
            history.visit(f"{month}-i{number}", f"{month}-{number:02d}", act(task="identify", minutes=number))
            history.visit(f"{month}-v{number}", f"{month}-{number:02d}", act("vero", "verokortti", quantity=2))
        for number in range(1, 60):
            history.visit(f"{month}-d{number}", f"{month}-{1 + number % 28:02d}", act("dvv", "muuttoilmoitus"))
        history.visit(f"{month}-own", f"{month}-05", act(PROVIDER, "yleisneuvonta"))
        history.visit(f"{month}-out", f"{month}-05", act(service="opintotuki"))


def addresses(site: Site) -> dict[str, str]:
    found = {"list": "/", "none": "/?kind=credit_note&payer=dvv", "run": "/run", "preview": f"/run?period={site.month}"}
    for name, invoice_id in site.invoices.items():
        found[f"invoice-{name}"] = f"/invoices/{invoice_id}"
    for name, line in (("kela", 1), ("kela", 2), ("kela", 3), ("dvv", 1), ("corrected", 1)):
        found[f"line-{name}-{line}"] = f"/invoices/{site.invoices[name]}/lines/{line}"
    return found


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_every_page_is_accessible_and_fits(
    person: Callable[..., Page], site: Site, language: str, width: int, scheme: str
) -> None:
    page = person("provider", PROVIDER, script=True, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for name, address in addresses(site).items():
        answer = page.goto(f"{site.url}{address}{'&' if '?' in address else '?'}lang={language}")
        assert answer is not None and answer.status == 200, address
        assert page.locator("html").get_attribute("lang") == language
        found = Axe().run(page).response["violations"]
        assert not found, (address, [(each["id"], each["nodes"][0]["target"]) for each in found])
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, address
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/{name}-{language}-{width}.png", full_page=True)


def test_a_month_is_invoiced_by_keyboard_without_script(person: Callable[..., Page], site: Site) -> None:
    """Seen first, confirmed; the same form sent again invoices nothing twice."""
    site.tell(lambda it: it.history.visit("late", f"{site.month}-28", act("vero", "verokortti")))
    page = person("provider", PROVIDER)
    page.goto(f"{site.url}/?lang=en")
    page.get_by_role("link", name="Invoice a month").press("Enter")
    assert page.get_by_text("last invoiced").first.is_visible()
    page.get_by_role("button", name="See what would be issued").press("Enter")
    assert page.get_by_role("row", name="Verohallinto Invoice").is_visible()
    assert page.get_by_text("Service or task outside the agreement").is_visible()
    run_id = page.locator("input[name=id]").get_attribute("value")
    page.get_by_role("button", name="Issue").press("Enter")
    assert page.get_by_text("1 document was issued").is_visible()
    first = page.url
    page.go_back()
    assert page.get_by_text("Nothing to invoice").is_visible()
    again = page.request.post(f"{site.url}/run", form={"id": run_id or "", "period": site.month})
    assert again.url == first
    page.goto(first)
    page.get_by_role("link", name="KUNTA732-").first.press("Enter")
    assert page.get_by_role("heading", name="Invoice", exact=True).is_visible()
    page.locator("tr", has_text="57\u00a0acts").get_by_role("link").first.press("Enter")
    assert page.get_by_text("Computed anew: equal to the cent").is_visible()
    assert page.locator(".equation").inner_text().replace("\u00a0", " ").split("\n")[0].startswith("57 acts")


def test_an_authority_sees_its_own_and_no_name_of_another(person: Callable[..., Page], site: Site) -> None:
    page = person("authority", "vero")
    page.goto(f"{site.url}/?lang=en")
    assert "Kansaneläkelaitos" not in page.content()
    assert page.get_by_role("link", name="Invoice a month").count() == 0
    assert page.goto(f"{site.url}/invoices/{site.invoices['kela']}").status == 404  # type: ignore[union-attr]
    page.goto(f"{site.url}/invoices/{site.invoices['vero']}/lines/1?lang=en")
    assert str(ident(f"{site.month}-v1"))[:13] not in page.content()
    assert page.get_by_text("feed entry").first.is_visible()
    page = person(None)
    page.goto(f"{site.url}/?lang=en")
    assert page.get_by_text("every cent is explained").is_visible()
    assert "KUNTA732" not in page.content()


def test_a_stopped_projection_is_shown_plainly_and_nothing_is_issued(person: Callable[..., Page], site: Site) -> None:
    where = "topic = 'apudiaari.diary.events' AND partition = 5"
    site.sql(f"UPDATE projection.positions SET state = 'halted', reason = '/data: broken' WHERE {where}")
    try:
        page = person("provider", PROVIDER, script=True)
        for address in ("/", f"/run?period={site.month}"):
            page.goto(f"{site.url}{address}{'&' if '?' in address else '?'}lang=en")
            assert page.get_by_role("alert").get_by_text("Billing has stopped").is_visible()
            assert page.get_by_text("apudiaari.diary.events/5").is_visible()
            assert not Axe().run(page).response["violations"]
            if SHOTS:
                page.screenshot(path=f"{SHOTS}/halted-{len(address)}.png", full_page=True)
        assert page.get_by_role("button", name="Issue").count() == 0
    finally:
        site.sql(f"UPDATE projection.positions SET state = 'running', reason = '' WHERE {where}")


def test_a_run_that_is_behind_comes_back_with_the_same_id(person: Callable[..., Page], site: Site) -> None:
    page = person("provider", PROVIDER)
    page.goto(f"{site.url}/run?period={site.month}&lang=en")
    run_id = page.locator("input[name=id]").get_attribute("value")
    site.sql("UPDATE projection.positions SET sealed = sealed - 1 WHERE topic = 'apudiaari.diary.events'")
    try:
        page.get_by_role("button", name="Issue").press("Enter")
        assert page.get_by_text("Not everything has arrived yet").is_visible()
        assert page.locator("input[name=id]").get_attribute("value") == run_id
    finally:
        site.sql("UPDATE projection.positions SET sealed = sealed + 1 WHERE topic = 'apudiaari.diary.events'")
    page.get_by_role("button", name="Try again").press("Enter")
    assert page.url == f"{site.url}/runs/{run_id}"


def test_an_invoice_prints_whole(person: Callable[..., Page], site: Site) -> None:
    page = person("provider", PROVIDER, script=True)
    page.goto(f"{site.url}/invoices/{site.invoices['corrected']}?lang=fi")
    page.emulate_media(media="print")
    for seen in ("Todisteet", "Y-tunnus 0112038-9", "Oikaisee laskut"):
        assert page.get_by_text(seen).first.is_visible()
    assert not page.locator(".services").is_visible()
    assert len(page.pdf(format="A4")) > 10_000
    if SHOTS:
        page.pdf(path=f"{SHOTS}/invoice.pdf", format="A4")
