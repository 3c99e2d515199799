"""The shell as a browser and as a program meet it, on the gallery app."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from services.chassis.access import Action
from services.chassis.identity import declared_action, walk_routes
from tests.unit.web_gallery.app import make_app

HTML = {"accept": "text/html"}
LANGUAGES = ("fi", "sv", "en")


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return make_app()


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8190", headers=HTML) as client:
        yield client


class Inline(HTMLParser):
    """Collects what the content security policy would refuse, and ids that occur twice."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.refused.append(tag)
        self.refused += [name for name in given if name == "style" or name.startswith("on")]
        self.refused += [
            value or ""
            for name, value in attrs
            if name in ("src", "href") and re.match(r"(https?:)?//(?!127\.0\.0\.1)", value or "")
        ]
        self.ids += [value or "" for name, value in attrs if name == "id"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_page_obeys_its_own_policy(browser: httpx.AsyncClient, language: str) -> None:
    answer = await browser.get(f"/?who=adviser&lang={language}")
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    page = Inline(answer.text)
    assert not page.refused
    assert len(page.ids) == len(set(page.ids))
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"


def test_the_inline_check_can_fail() -> None:
    assert Inline("<p style='color:red' onclick='x()'><script>1</script><img src='https://a.example/b'>").refused == [
        "style",
        "onclick",
        "script",
        "https://a.example/b",
    ]


async def test_the_choice_of_language_is_remembered(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/?lang=sv&page=2")
    assert "apudiaari-lang=sv" in answer.headers["set-cookie"]
    assert "SameSite=Lax" in answer.headers["set-cookie"]
    assert '<html lang="sv">' in (await browser.get("/")).text
    browser.cookies.clear()
    assert '<html lang="en">' in (await browser.get("/", headers={"accept-language": "en-GB"})).text
    assert 'href="/?page=2&amp;lang=en"' in answer.text, "the switch keeps the rest of the address"


async def test_the_shell_says_who_is_signed_in_and_that_data_are_synthetic(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/?who=adviser&lang=fi")).text
    assert "Aino Aapasaari" in page and "palveluneuvoja" in page and "Kirjaudu ulos" in page
    assert "Synteettinen aineisto" in page
    anonymous = (await browser.get("/?empty=1")).text
    assert "/sign-in?next=%2F%3Fempty%3D1" in anonymous and "Kirjaudu ulos" not in anonymous
    for address in ("http://127.0.0.1:8102/", "http://127.0.0.1:8103/", "http://127.0.0.1:8104/"):
        assert f'href="{address}?lang=' in page


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("path", "status"), [("/secret", 401), ("/nowhere", 404), ("/stale", 409), ("/broken", 500)])
async def test_refusals_are_pages_for_browsers(
    browser: httpx.AsyncClient, path: str, status: int, language: str
) -> None:
    answer = await browser.get(f"{path}?lang={language}")
    assert answer.status_code == status
    assert f'<html lang="{language}">' in answer.text or status == 500
    assert "<h1>" in answer.text and not Inline(answer.text).refused
    assert "hunter2" not in answer.text and "Traceback" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_refusals_are_problems_for_programs(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/broken", headers={"accept": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "internal" and "hunter2" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    missing = (await browser.get("/api/nowhere")).json()
    assert (missing["status"], missing["code"]) == (404, "not_found")
    refused = await browser.get("/secret", headers={"accept": "*/*"})
    assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"


async def test_a_bad_body_says_where_and_repeats_nothing(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/api/bodies", json={"quantity": "131052-308T"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert problem["errors"][0]["pointer"] == "/quantity" and problem["errors"][0]["code"] == "int_parsing"
    assert "131052" not in answer.text
    malformed = await browser.post("/api/bodies", content=b"{", headers={"content-type": "application/json"})
    assert (malformed.status_code, malformed.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "http://127.0.0.1:8190"}, True),
        ({"origin": "http://127.0.0.1:8104"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8190"}, False),
        ({}, False),
    ],
)
async def test_cross_site_requests_that_ride_on_the_cookie_are_refused(
    browser: httpx.AsyncClient, headers: dict[str, str], passes: bool
) -> None:
    own = {**headers, "cookie": "apudiaari-diary=x", "accept": "application/json"}
    # There is no such route: 404 means that the request got through the edge.
    answer = await browser.post("/api/nowhere", json={}, headers=own)
    assert answer.status_code == (404 if passes else 403)
    assert passes or answer.json()["code"] == "cross_site"
    without_cookie = await browser.post("/api/nowhere", json={}, headers=headers)
    assert without_cookie.status_code == 404


async def test_static_files_may_be_kept_only_under_today_s_hash(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/")).text
    addresses = set(re.findall(r'"(/static/[^"]+)"', page))
    assert {address.rsplit("/", 1)[1] for address in addresses} == {
        "app.css",
        "app.js",
        "mark.svg",
        "source-sans-3.woff2",
    }
    for address in addresses:
        answer = await browser.get(address)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
        old = await browser.get(re.sub(r"/static/[0-9a-f]+/", "/static/0000/", address))
        assert old.status_code == 200 and old.headers["cache-control"] == "no-cache"
    assert (await browser.get("/static/0000/..%2F..%2Fshell.py")).status_code == 404


async def test_an_empty_list_says_so(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/?empty=1")).text
    assert "Tänään ei ole vielä kirjattu asiointeja." in page and "<tfoot>" not in page


async def test_lists_sort_and_page_by_address(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/?sort=visits&dir=asc&page=3")).text
    assert '<th scope="col" class="numeric" aria-sort="ascending">' in page
    assert 'href="/?sort=visits&amp;dir=desc"' in page, "the sorted column turns round and begins at page one"
    assert 'href="/?sort=visits&amp;dir=asc&amp;page=4"' in page
    assert "101–150 / 1\u00a0234" in page
    beyond = (await browser.get("/?page=99999999&sort=nonsense")).text
    assert "1\u00a0201–1\u00a0234" in beyond


def test_every_route_declares_its_action() -> None:
    routes = dict(walk_routes(make_app().routes))
    assert {"/", "/secret", "/static/{build}/{name:path}", "/sign-in", "/sign-out/back-channel"} <= routes.keys()
    assert not [path for path, route in routes.items() if declared_action(route) is None]
    assert declared_action(routes["/secret"]) is Action.READ_INVOICE
