"""The pages of agreements as people meet them: without JavaScript, by keyboard, in three languages, wide and narrow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from pydantic import SecretStr

from deploy.dev.process import free_port
from schemas.agreements import ITEMS
from services.agreements.app import SERVICE
from services.chassis.service import create_app
from services.chassis.settings import Issuer, Settings
from tests.support.databases import ServiceDatabase
from tests.support.tokens import TokenIssuer

NAMES = {"fi": "Sallan kunta", "sv": "Salla kommun", "en": "Municipality of Salla"}
KELA = {"fi": "Kansaneläkelaitos", "sv": "Folkpensionsanstalten", "en": "Social Insurance Institution"}
pytestmark = pytest.mark.browser
pytest_plugins = ["tests.support.browsing"]


@dataclass(frozen=True)
class Site:
    """The running service, and the agreement that the tests look at."""

    url: str
    issuer: TokenIssuer
    agreement: str

    def call(self, method: str, path: str, body: Any, role: str, party: str | None = None) -> None:
        headers = self.issuer.headers(role, party)
        httpx.request(method, self.url + path, json=body, headers=headers).raise_for_status()


@pytest.fixture(scope="module")
def site(run_folder: Path, service_database: Callable[[str], ServiceDatabase]) -> Iterator[Site]:
    database, issuer = service_database("agreements"), TokenIssuer(run_folder / "agreements-pages-issuer")
    issuer.start()
    port = free_port()
    settings = Settings(
        database_url=SecretStr(database.app_dsn),
        feed_secret=SecretStr("5e" * 32),
        port=port,
        issuers=(Issuer(issuer=issuer.url, jwks_url=f"{issuer.url}/jwks.json"),),
    )
    server = uvicorn.Server(
        uvicorn.Config(create_app(SERVICE, settings, roles=("serve",)), port=port, log_level="warning")
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    found = Site(f"http://127.0.0.1:{port}", issuer, str(uuid4()))
    _fill(found)
    yield found
    server.should_exit = True
    thread.join(15)
    issuer.stop()


def _fill(site: Site) -> None:
    for party, kind, names in (("kunta-732", "municipality", NAMES), ("kela", "kela", KELA)):
        body = {"kind": kind, "family": party, "names": names, "valid_from": "2007-04-01"}
        site.call("PUT", f"/api/parties/{party}", body, "register_keeper")
    service = {"names": NAMES, "tasks": ["advise"], "standard": True, "valid_from": "2020-01-01"}
    site.call("PUT", "/api/services/kela/asumistuki", service, "register_keeper")
    point = {
        "provider_id": "kunta-732", "names": NAMES, "municipality_code": "732", "region_code": "19",
        "visiting_address": "Esimerkkikatu 1", "located_in": "library", "accessible": True, "confidential_room": True,
        "remote_room": False, "remote_equipment": False, "common_sign": True, "checked_on": "2026-01-02",
        "opening_hours": [{"weekday": 1, "opens": "09:00", "closes": "15:45"}], "open_from": "2012-03-01",
    }  # fmt: skip
    site.call("PUT", "/api/service-points/piste-732-1", point, "provider", "kunta-732")
    terms = {
        "tasks": ["advise"], "services": [{"authority_id": "kela", "code": "asumistuki"}],
        "items": dict.fromkeys(ITEMS, "Sovittu."), "pendency": {"at_receipt": False},
        "tariffs": [
            {"item": "t1", "kind": "per_act", "authority_id": "kela", "price": "6.40"},
            {"item": "t2", "kind": "per_minute", "authority_id": "kela", "channel": "remote", "price": "0.5817"},
        ],
    }  # fmt: skip
    draft = {
        "provider_id": "kunta-732", "commissioner_ids": ["kela"], "service_point_ids": ["piste-732-1"],
        "valid_from": "2024-01-01", "terms": terms,
    }  # fmt: skip
    site.call("PUT", f"/api/agreements/{site.agreement}", draft, "provider", "kunta-732")
    for role, party in (("provider", "kunta-732"), ("authority", "kela")):
        body = {"id": str(uuid4()), "version": 1}
        site.call("POST", f"/api/agreements/{site.agreement}/approvals", body, role, party)


PAGES = ("/", "/?state=ended", "/points", "/points/piste-732-1", "{a}", "{a}/approve", "{a}/amend", "{a}/terminate")


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_every_page_is_accessible_and_fits(
    person: Callable[..., Page], site: Site, language: str, width: int, scheme: str
) -> None:
    page = person("provider", "kunta-732", script=True, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for path in PAGES:
        address = path.replace("{a}", f"/agreements/{site.agreement}")
        answer = page.goto(f"{site.url}{address}{'&' if '?' in address else '?'}lang={language}")
        assert answer is not None and answer.status == 200, address
        assert page.locator("html").get_attribute("lang") == language
        found = Axe().run(page).response["violations"]
        assert not found, (address, [(each["id"], each["nodes"][0]["target"]) for each in found])
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, address


def test_a_stranger_sees_no_agreement_and_the_public_what_this_is(person: Callable[..., Page], site: Site) -> None:
    page = person("provider", "kunta-005")
    answer = page.goto(f"{site.url}/agreements/{site.agreement}?lang=en")
    assert answer is not None and answer.status == 404
    assert "Salla" not in page.content()
    page.goto(f"{site.url}/?lang=en")
    assert page.get_by_text("No agreements yet").is_visible()
    page = person(None)
    page.goto(f"{site.url}/?lang=en")
    assert page.get_by_role("heading", name="Agreements").is_visible()
    assert "Salla" not in page.content()


def test_an_amendment_goes_from_form_to_force_by_keyboard_without_script(
    person: Callable[..., Page], site: Site
) -> None:
    """Proposed by the authority, with a mistake on the way; approved by both; then the agreement is terminated."""
    kela = person("authority", "kela")
    kela.goto(f"{site.url}/agreements/{site.agreement}?lang=en")
    kela.get_by_role("link", name="Propose an amendment").press("Enter")
    kela.get_by_label("All other acts").fill("6,4000001")
    kela.get_by_role("button", name="Check the changes").press("Enter")
    errors = kela.locator(".error-summary")
    assert "Give a date" in errors.inner_text() or "Price of item t1" in errors.inner_text()
    kela.get_by_label("All other acts").fill("7,25")
    kela.get_by_label("The amendment takes effect on").fill("2023-12-31")
    kela.get_by_role("button", name="Check the changes").press("Enter")
    kela.get_by_role("button", name="Send the proposal").press("Enter")
    assert "not within the agreement" in kela.locator(".error-summary").inner_text()
    assert kela.get_by_label("All other acts").input_value() == "7,25"
    kela.get_by_label("The amendment takes effect on").fill("2024-06-01")
    kela.get_by_role("button", name="Check the changes").press("Enter")
    row = kela.get_by_role("row", name="All other acts, per act")
    assert "6.40" in row.inner_text() and "7.25" in row.inner_text()
    assert kela.get_by_text("The amendment takes effect in the past").is_visible()
    kela.get_by_role("button", name="Send the proposal").press("Enter")
    assert kela.get_by_text("The amendment was proposed").is_visible()

    for role, party, name, then in (
        ("authority", "kela", "Social Insurance Institution", "Your approval was recorded"),
        ("provider", "kunta-732", "Municipality of Salla", "the terms are now in force"),
    ):
        page = person(role, party)
        page.goto(f"{site.url}/?lang=en&state=awaiting")
        assert page.get_by_text("Waits for you").is_visible()
        page.get_by_role("link", name="Municipality of Salla").press("Enter")
        page.get_by_role("link", name=f"Approve as {name}").press("Enter")
        page.get_by_role("button", name=f"Approve as {name}").press("Enter")
        assert page.get_by_text(then).is_visible(), page.content()
    assert page.locator("dl.stats .stat-value").nth(1).inner_text() == "2"

    kela.goto(f"{site.url}/agreements/{site.agreement}/terminate?lang=en")
    kela.get_by_label("Last day in force").fill("2023-06-30")
    kela.get_by_label("Day of notice").fill("2023-01-31")
    kela.get_by_role("button", name="Continue and check").press("Enter")
    kela.get_by_role("button", name="Terminate").press("Enter")
    assert "cannot be before the agreement begins" in kela.locator(".error-summary").inner_text()
    kela.get_by_label("Last day in force").fill("2026-06-30")
    kela.get_by_role("button", name="Continue and check").press("Enter")
    kela.get_by_role("button", name="Terminate").press("Enter")
    assert kela.get_by_text("The notice was recorded").is_visible()
    assert kela.locator("dl.stats").get_by_text("Ended").is_visible()
    kela.goto(f"{site.url}/agreements/{site.agreement}?lang=en&as_of_valid=2024-05-31")
    assert kela.locator("dl.stats .stat-value").nth(1).inner_text() == "1"
