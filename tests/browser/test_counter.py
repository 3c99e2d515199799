"""The counter as an adviser meets it: with the keyboard alone, without JavaScript, in three languages, at any width."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, expect

from services.chassis.db import Database
from tests.support import diary
from tests.support.browsing import chromium, require_chromium, serving
from tests.support.databases import ServiceDatabase
from tests.support.tokens import TokenIssuer

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("SCREENSHOTS")


@dataclass(frozen=True)
class Counter:
    """A running diary and a way to be somebody at it."""

    url: str
    browser: Browser
    issuer: TokenIssuer

    async def context(
        self, role: str = "adviser", party: str = "kunta-732", points: tuple[str, ...] = (diary.SALLA,), **options: Any
    ) -> BrowserContext:
        headers = {**self.issuer.headers(role, party, points), **options.pop("extra_http_headers", {})}
        context = await self.browser.new_context(
            base_url=self.url, extra_http_headers=headers, locale="fi-FI", timezone_id="Europe/Helsinki", **options
        )
        context.set_default_timeout(8000)
        return context


@pytest.fixture(scope="module")
async def counter(
    run_folder: Path, service_database: Callable[[str], ServiceDatabase], token_issuer: TokenIssuer
) -> AsyncIterator[Counter]:
    require_chromium()
    database = service_database("diary")
    connected = Database(database.app_dsn, pool_size=2)
    await diary.know(connected, diary.small_register())
    await connected.close()
    async with serving("diary", database, run_folder, token_issuer) as url, chromium() as browser:
        yield Counter(url, browser, token_issuer)


@pytest.fixture
async def page(counter: Counter) -> AsyncIterator[Page]:
    context = await counter.context()
    opened = await context.new_page()
    await opened.goto("/")
    yield opened
    await context.close()


def entries(page: Page) -> Any:
    return page.locator("#entries > li:not(.pending)")


async def shot(page: Page, name: str) -> None:
    """Kept when SCREENSHOTS names a folder, to be looked at."""
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


# The keyboard alone


async def test_the_common_case_takes_five_keys_and_shows_at_once(page: Page) -> None:
    before = await entries(page).count()
    for key in ("2", "a", "s", "u", "Enter"):
        await page.keyboard.press(key)
    await expect(entries(page)).to_have_count(before + 1)
    first = entries(page).first
    await expect(first).to_contain_text("Kela – Asumistuki")
    await expect(first).to_contain_text("Sopimus voimassa")
    await expect(page.locator("#said")).to_contain_text("Kela – Asumistuki: Sopimus voimassa")
    await expect(page.locator(".authority-keys button").first).to_be_focused()
    await shot(page, "counter")


async def test_entries_typed_without_a_pause_each_keep_their_own_keys(page: Page) -> None:
    """The trap: a form that is emptied after its first await eats the next entry's keys."""
    before = await entries(page).count()
    wanted = ["Asumistuki", "Veroilmoitus", "Elakkeet", "Verokortti", "Asumistuki"]
    keys = {"Asumistuki": "2a", "Elakkeet": "2e", "Veroilmoitus": "3veroi", "Verokortti": "3verok"}
    for service in wanted:
        await page.keyboard.type(keys[service])
        await page.keyboard.press("Enter")
    await expect(entries(page)).to_have_count(before + len(wanted))
    await expect(page.locator(".entry.pending, .entry.failed")).to_have_count(0)
    names = await page.locator("#entries .act-name").all_inner_texts()
    assert [name.rpartition("– ")[2] for name in names[: len(wanted)]] == wanted[::-1]


async def test_a_visit_for_two_authorities_is_one_entry(page: Page) -> None:
    before = await entries(page).count()
    for key in ("2", "a", "+", "3", "v", "Enter"):
        await page.keyboard.press(key)
    await expect(entries(page)).to_have_count(before + 1)
    names = entries(page).first.locator(".act-name")
    await expect(names).to_have_count(2)
    await expect(names.nth(0)).to_contain_text("Kela")
    await expect(names.nth(1)).to_contain_text("Verohallinto")


async def test_digits_in_a_number_field_are_numbers(page: Page) -> None:
    await page.keyboard.press("2")
    await page.keyboard.press("a")
    await page.locator("#quantity-0").fill("")
    await page.locator("#quantity-0").press("3")
    await expect(page.locator("[data-authority=kela][aria-pressed]")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("Enter")
    await expect(entries(page).first).to_contain_text("3 kpl")


async def test_what_is_refused_comes_back_into_the_form(page: Page) -> None:
    await page.keyboard.type("2a")
    await page.locator("#quantity-0").fill("0")
    await page.keyboard.press("Enter")
    failed = page.locator(".entry.failed")
    await expect(failed).to_contain_text("Määrä on 1–999.")
    await shot(page, "counter-refused")
    await failed.get_by_role("button").click()
    await expect(page.locator("#quantity-0")).to_have_value("0")
    await expect(page.locator("#service-0")).to_have_value("kela:asumistuki")
    await page.locator("#quantity-0").fill("5")
    await page.keyboard.press("Enter")
    await expect(entries(page).first).to_contain_text("5 kpl")


async def test_a_lost_connection_keeps_the_entry_and_sends_it_once(page: Page) -> None:
    before = await entries(page).count()
    await page.route("**/counter/visits", lambda route: route.abort())
    await page.keyboard.type("2a")
    await page.keyboard.press("Enter")
    waiting = page.locator(".entry.failed")
    await expect(waiting).to_contain_text("Yhteys katkesi")
    await page.unroute("**/counter/visits")
    await waiting.get_by_role("button").click()
    await expect(page.locator(".entry.failed")).to_have_count(0)
    await expect(entries(page)).to_have_count(before + 1)


async def test_a_late_entry_says_why(page: Page) -> None:
    await page.keyboard.type("2a")
    await page.locator("details summary").click()
    yesterday = (dt.datetime.now(dt.UTC) - dt.timedelta(days=2)).date().isoformat()
    await page.locator("#day").fill(yesterday)
    await page.locator("#time").fill("09:30")
    await page.keyboard.press("Enter")
    await expect(page.locator(".entry.failed")).to_contain_text("valitse jälkikirjauksen syy")
    await page.locator(".entry.failed").get_by_role("button").click()
    await page.locator("#late_reason").select_option("outage")
    await page.locator("#time").press("Enter")
    await expect(entries(page).first).to_contain_text("Kirjattu 2 päivää myöhemmin")


async def test_correct_and_void_from_the_list(page: Page) -> None:
    await page.keyboard.type("2a")
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_contain_text("Kirjattu")
    await entries(page).first.get_by_role("link", name=re.compile("Korjaa")).click()
    await page.locator("#customers").fill("2")
    await page.get_by_role("button", name="Tallenna korjaus").click()
    await expect(page.locator(".error-summary a").first).to_have_text("Valitse syy.")
    await page.locator("#reason").select_option("mistake")
    await page.get_by_role("button", name="Tallenna korjaus").click()
    await expect(page.locator(".notice.good")).to_contain_text("korjattu")
    await expect(entries(page).first).to_contain_text("2 asiakasta")
    await entries(page).first.get_by_role("link", name=re.compile("Mitätöi")).click()
    await page.locator("#reason").select_option("duplicate")
    await shot(page, "void")
    await page.get_by_role("button", name="Mitätöi käynti").click()
    await expect(entries(page).first).to_contain_text("Mitätöity")
    await entries(page).first.locator(".entry-when a").click()
    await expect(page.locator(".versions > li")).to_have_count(3)
    await shot(page, "visit-history")


# Documents


async def test_one_key_stamps_and_the_receipt_follows(page: Page, counter: Counter) -> None:
    await page.keyboard.press("F2")
    await expect(page.locator(".stamped-at")).to_be_visible()
    await page.locator("#service").select_option("kela:asumistuki")
    await page.locator("#title").fill("Asumistukihakemus")
    await shot(page, "document-new")
    await page.get_by_role("button", name="Kirjaa vastaanotetuksi").click()
    await expect(page.locator("h1")).to_have_text("Vastaanottotodistus")
    await expect(page.locator("main")).to_contain_text("Palvelimen leima")
    await expect(page.locator("main")).to_contain_text("Asumistukihakemus")
    await shot(page, "document-receipt")
    await page.locator("#means").select_option("internal_mail")
    await page.get_by_role("button", name="Kirjaa välitetyksi nyt").click()
    await expect(page.locator("main")).to_contain_text("Sisäinen posti")
    link = await page.get_by_role("link", name=re.compile("JSON")).get_attribute("href")
    async with httpx.AsyncClient(headers=counter.issuer.headers("authority", "kela")) as kela:
        receipt = await kela.get(counter.url + str(link))
    assert set(receipt.json()) == {"statement", "event", "proof", "checkpoint", "key_id", "signature"}


# Imports


async def test_a_file_is_imported_on_its_page(counter: Counter) -> None:
    context = await counter.context("provider", "kunta-732", ())
    page = await context.new_page()
    await page.goto("/counter/imports")
    await shot(page, "import")
    header = "external_id;occurred_at;authority_id;service;task;channel;late_reason"
    row = "{};20.10.2026 10.15;kela;asumistuki;{};counter;offline"
    rows = "\n".join([row.format("p1", "advise"), row.format("p2", "fly")])
    file = {"name": "käynnit.csv", "mimeType": "text/csv", "buffer": f"{header}\n{rows}".encode()}
    await page.locator("#file").set_input_files(file)  # type: ignore[arg-type]
    await page.get_by_role("button", name="Lähetä tiedosto").click()
    await expect(page.locator(".notice.warn")).to_contain_text("1 rivi hylättiin")
    await expect(page.locator("table")).to_contain_text("Laki ei tuntenut")
    await shot(page, "import-report")
    await context.close()


# Without JavaScript


async def test_everything_works_without_javascript(counter: Counter) -> None:
    context = await counter.context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/")
    await page.locator("#service-0").select_option("kela:asumistuki")
    await page.get_by_role("button", name="Lisää asia").click()
    await page.locator("#service-1").select_option("vero:verokortti")
    await page.locator("#quantity-1").fill("0")
    await page.get_by_role("button", name="Kirjaa käynti").click()
    error = page.locator(".error-summary a")
    await expect(error).to_have_attribute("href", "#quantity-1")
    await expect(page.locator("#quantity-1")).to_have_attribute("aria-invalid", "true")
    await shot(page, "counter-errors")
    await page.locator("#quantity-1").fill("1")
    await page.get_by_role("button", name="Kirjaa käynti").click()
    await expect(page.locator(".notice.good")).to_contain_text("Käynti on kirjattu.")
    await expect(entries(page).first.locator(".act-name")).to_have_count(2)
    await page.get_by_role("button", name="Leimaa saapumisaika").click()
    await expect(page.locator(".stamped-at")).to_be_visible()
    await context.close()


# Who sees what


async def test_an_authority_finds_no_visit_here(counter: Counter) -> None:
    context = await counter.context("authority", "kela", ())
    page = await context.new_page()
    await page.goto("/")
    await expect(page.locator("main")).to_contain_text("Tämä sivu on asiointipisteiden väelle")
    await expect(page.locator("#entries")).to_have_count(0)
    await context.close()


# Every page, language, scheme and width


SCHEMES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced": {"forced_colors": "active"},
}


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("language", ["fi", "sv", "en"])
async def test_pages_are_accessible_and_fit(counter: Counter, language: str, scheme: str, width: int) -> None:
    context = await counter.context(viewport={"width": width, "height": 900}, **SCHEMES[scheme])
    page = await context.new_page()
    await page.goto(f"/?lang={language}")
    await page.keyboard.type("2a")
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).not_to_be_empty()
    visit = await entries(page).first.locator(".entry-when a").get_attribute("href")
    await looks_right(page, f"counter-{language}-{scheme}-{width}")
    for name, path in (
        ("correct", f"{visit}/correct"),
        ("void", f"{visit}/void"),
        ("visit", visit),
        ("empty", "/?day=2020-02-02"),
    ):
        await page.goto(str(path))
        await looks_right(page, f"{name}-{language}-{scheme}-{width}")
    await page.goto("/")
    await page.locator("#stamp button").click()
    await expect(page.locator(".stamped-at")).to_be_visible()
    await looks_right(page, f"document-{language}-{scheme}-{width}")
    await context.close()


async def looks_right(page: Page, name: str) -> None:
    await shot(page, name)
    found = await Axe().run(page)
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{name} scrolls sideways by {overflow} px"
