"""Pages over HTTP: who is shown what, and how the live part follows the log."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.databases import ServiceDatabase
from tests.support.naive import statistics as naive
from tests.support.statistics_app import Statistics, running
from tests.support.statistics_events import Logs, make_logs
from tests.support.tokens import TokenIssuer


@pytest.fixture(scope="module")
def logs() -> Logs:
    return make_logs(1_200, seed=3)


@pytest.fixture(scope="module")
async def statistics(
    service_database: Callable[[str], ServiceDatabase], token_issuer: TokenIssuer, logs: Logs
) -> AsyncIterator[Statistics]:
    async with running(service_database("statistics"), token_issuer) as service:
        await service.take(*logs)
        yield service


def figures(html: str) -> list[str]:
    """The key figures of a page, digits only."""
    return [re.sub(r"\D", "", value) for value in re.findall(r'stat-value">([^<]*)<', html)]


def known(logs: Logs, authority: str | None = None) -> list[str]:
    """The same from the naive fold: visits, customers, acts, quantity; for an authority its visits, acts, quantity."""
    cubes = naive.fold(logs.raw())
    if authority is None:
        counts = [
            ("visits_day", "visits"),
            ("visits_day", "customers"),
            ("acts_month", "acts"),
            ("acts_month", "quantity"),
        ]
    else:
        counts = [("acts_day", "visits"), ("acts_month", "acts"), ("acts_month", "quantity")]
    return [
        str(sum(c.get(count, 0) for key, c in cubes[cube].items() if authority is None or key[2] == authority))
        for cube, count in counts
    ]


async def test_the_dashboard_shows_the_figures_of_the_log(
    statistics: Statistics, token_issuer: TokenIssuer, logs: Logs
) -> None:
    page = await statistics.http.get("/?from=2026-08&to=2026-11", headers=token_issuer.headers("ministry"))
    assert page.status_code == 200
    assert figures(page.text)[:4] == known(logs)
    assert page.text.count("<figure") == 7 and page.text.count('role="img"') == page.text.count("<desc") == 7


async def test_an_authority_is_shown_nothing_of_another(
    statistics: Statistics, token_issuer: TokenIssuer, logs: Logs
) -> None:
    page = await statistics.http.get("/?from=2026-08&to=2026-11", headers=token_issuer.headers("authority", "vero"))
    assert figures(page.text)[:3] == known(logs, "vero")
    assert "Kansaneläkelaitos" not in page.text and "Asiakkaat asioinneissa" not in page.text
    refused = await statistics.http.get("/?authority=kela", headers=token_issuer.headers("authority", "vero"))
    assert refused.status_code == 403


async def test_a_chosen_authority_is_shown_with_its_own_visits(
    statistics: Statistics, token_issuer: TokenIssuer, logs: Logs
) -> None:
    page = await statistics.http.get(
        "/?from=2026-08&to=2026-11&authority=kela", headers=token_issuer.headers("auditor")
    )
    assert figures(page.text)[:3] == known(logs, "kela")


async def test_the_public_is_told_what_comes_and_shown_no_figure(statistics: Statistics, logs: Logs) -> None:
    page = await statistics.http.get("/?lang=en", headers={"accept": "text/html"})
    assert page.status_code == 200 and "have not been published yet" in page.text and not figures(page.text)
    for path in ("/live", "/download.csv?measures=acts", "/operations"):
        assert (await statistics.http.get(path)).status_code == 401


async def test_the_live_part_comes_when_the_log_has_moved(
    service_database: Callable[[str], ServiceDatabase], token_issuer: TokenIssuer, logs: Logs
) -> None:
    headers = token_issuer.headers("ministry")
    async with running(service_database("statistics"), token_issuer) as service:
        empty = await service.http.get("/?lang=en", headers=headers)
        assert "Nothing recorded" in empty.text
        token = re.search(r'data-token="([^"]*)"', empty.text)[1]  # type: ignore[index]
        asked = asyncio.create_task(service.http.get("/live", params={"seen": token, "lang": "en"}, headers=headers))
        _, pending = await asyncio.wait({asked}, timeout=0.5)
        assert pending, "answered before anything changed"
        await service.take(logs.diary)
        moved = time.monotonic()
        answer = (await asyncio.wait_for(asked, 5)).json()
        assert time.monotonic() - moved < 2
        assert answer["token"] != token and figures(answer["html"])


async def test_the_form_offers_what_one_may_see(statistics: Statistics, token_issuer: TokenIssuer) -> None:
    page = await statistics.http.get("/", headers=token_issuer.headers("provider", "kunta-732"))
    assert set(re.findall(r'value="(piste-[0-9-]+)"', page.text)) <= {"piste-732-1", "piste-732-2"}
    wrong = await statistics.http.get(
        "/?region=99&lang=en", headers={**token_issuer.headers("ministry"), "accept": "text/html"}
    )
    assert wrong.status_code == 422 and "not known" in wrong.text


async def test_csv_of_a_chart_is_offered_to_whom_sees_it(statistics: Statistics, token_issuer: TokenIssuer) -> None:
    headers = token_issuer.headers("ministry")
    page = await statistics.http.get("/?lang=en", headers=headers)
    addresses = re.findall(r'href="(/download\.csv[^"]*)"', page.text)
    assert len(addresses) == 7
    for address in addresses:
        answer = await statistics.http.get(address.replace("&amp;", "&"), headers=headers)
        assert answer.headers["content-type"].startswith("text/csv") and answer.text.count("\r\n") > 2
