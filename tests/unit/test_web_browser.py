"""The gallery in a real browser: each language, scheme and width without an axe finding, by keyboard too."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.unit.web_gallery.app import make_app

pytestmark = pytest.mark.browser
pytest_plugins = ["tests.support.browsing"]
LANGUAGES = ("fi", "sv", "en")
PAGES = ("/?who=adviser", "/?empty=1", "/nowhere?a=1")
SCHEMES: tuple[dict[str, Any], ...] = (
    {"color_scheme": "light"},
    {"color_scheme": "dark"},
    {"color_scheme": "dark", "forced_colors": "active"},
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(make_app(), port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        thread.join(0.02)
    assert server.started
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(5)


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark", "forced"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_findings_and_no_sideways_scroll(
    browser: Browser, address: str, language: str, scheme: dict[str, Any], width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, **scheme)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    for path in PAGES:
        page.goto(f"{address}{path}&lang={language}", wait_until="networkidle")
        found = Axe().run(page).response["violations"]
        assert not [(each["id"], each["nodes"][0]["html"][:200]) for each in found]
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow == 0, path
    # The 404 itself is reported by the browser; anything else is a fault of ours, such as a refused inline style.
    assert not [text for text in said if "404" not in text]
    context.close()


def test_the_web_font_is_used(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address, wait_until="networkidle")
    assert page.evaluate("[...document.fonts].some(f => f.family.includes('Source Sans 3') && f.status === 'loaded')")
    page.close()


def test_by_keyboard_the_first_stop_skips_the_header_and_focus_is_seen(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/?empty=1&lang=fi", wait_until="networkidle")
    assert page.evaluate("document.activeElement.classList.contains('error-summary')"), "begins at what went wrong"
    page.evaluate("document.activeElement.blur()")
    page.goto(f"{address}/nowhere?lang=fi", wait_until="networkidle")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement).outlineWidth"
    assert page.evaluate("document.activeElement.tagName") == "A" and page.evaluate(outline) == "3px"
    page.close()


def test_targets_are_large_enough(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 320, "height": 900})
    page.goto(f"{address}/?who=adviser", wait_until="networkidle")
    small = page.evaluate(
        """[...document.querySelectorAll('button, .button, header a, .pages a, select, input[type=number], .choice')]
        .filter(e => !e.closest('.visually-hidden') && !e.classList.contains('skip'))
        .map(e => [e.textContent.trim().slice(0, 20), e.getBoundingClientRect().height])
        .filter(([, height]) => height < 43.5)"""
    )
    assert small == []
    page.close()


def test_a_form_is_sent_once_however_often_it_is_pressed(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/?who=adviser", wait_until="networkidle")
    page.route("**/api/bodies", lambda route: route.abort())
    held_back = page.evaluate(
        """() => {
          const form = document.querySelector("form.confirm"), seen = [];
          form.addEventListener("submit", event => seen.push(event.defaultPrevented));
          form.requestSubmit();
          form.requestSubmit();
          return seen;
        }"""
    )
    assert held_back == [False, True]
    page.close()
