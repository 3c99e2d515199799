"""The query interface over a real database: figures against the naive fold, who sees what, and what is refused."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.support.databases import ServiceDatabase
from tests.support.naive import statistics as naive
from tests.support.statistics_app import Statistics, running
from tests.support.statistics_events import Logs, make_logs
from tests.support.tokens import TokenIssuer

Headers = dict[str, str]


@pytest.fixture(scope="module")
def logs() -> Logs:
    return make_logs(2_500)


@pytest.fixture(scope="module")
def cubes(logs: Logs) -> naive.Cubes:
    return naive.fold(logs.raw())


@pytest.fixture(scope="module")
async def statistics(
    service_database: Callable[[str], ServiceDatabase], token_issuer: TokenIssuer, logs: Logs
) -> AsyncIterator[Statistics]:
    async with running(service_database("statistics"), token_issuer) as service:
        await service.take(*logs)
        yield service


@pytest.fixture(scope="module")
def ministry(token_issuer: TokenIssuer) -> Headers:
    return token_issuer.headers("ministry")


async def ask(statistics: Statistics, headers: Headers, **question: Any) -> dict[str, Any]:
    answer = await statistics.http.get("/api/cube", params=question, headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def refusal(statistics: Statistics, headers: Headers, **question: Any) -> tuple[int, str, list[str]]:
    answer = await statistics.http.get("/api/cube", params=question, headers=headers)
    body = answer.json()
    assert body["detail"] and answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, body["code"], [each["pointer"] for each in body.get("errors", [])]


def summed(cells: dict[naive.Key, dict[str, int]], count: str, *places: int) -> dict[tuple[object, ...], int]:
    """Naive cells added up by some of their key columns."""
    found: Counter[tuple[object, ...]] = Counter()
    for key, counts in cells.items():
        found[tuple(key[place] for place in places)] += counts.get(count, 0)
    return {key: count for key, count in found.items() if count}


async def test_acts_by_authority_and_month(statistics: Statistics, ministry: Headers, cubes: naive.Cubes) -> None:
    body = await ask(statistics, ministry, measures="acts,quantity", by="authority,month", limit=1000)
    assert body["columns"] == ["authority", "month", "acts", "quantity"]
    got = {(row[0], row[1] + "-01"): row[2] for row in body["rows"]}
    assert got == summed(cubes["acts_month"], "acts", 2, 0)
    assert {(row[0], row[1] + "-01"): row[3] for row in body["rows"]} == summed(cubes["acts_month"], "quantity", 2, 0)


async def test_measures_of_several_cubes_stand_in_one_row(
    statistics: Statistics, ministry: Headers, cubes: naive.Cubes
) -> None:
    body = await ask(statistics, ministry, measures="visits,customers,acts,documents", by="point", limit=1000)
    for number, (cube, count, place) in enumerate(
        (("visits_day", "visits", 1), ("visits_day", "customers", 1), ("acts_day", "acts", 1)), 1
    ):
        assert {(row[0],): row[number] for row in body["rows"] if row[number]} == summed(cubes[cube], count, place)
    assert sum(row[4] for row in body["rows"]) == sum(summed(cubes["documents_day"], "received", 0).values()) > 0


async def test_hours_weekdays_and_days_agree(statistics: Statistics, ministry: Headers, cubes: naive.Cubes) -> None:
    hours = await ask(statistics, ministry, measures="acts", by="weekday,hour")
    assert {(row[0], row[1]): row[2] for row in hours["rows"]} == summed(cubes["acts_hour"], "acts", 1, 2)
    assert [row[:2] for row in hours["rows"]] == sorted(row[:2] for row in hours["rows"])
    days = await ask(statistics, ministry, measures="acts", by="day", **{"from": "2026-10-05", "to": "2026-10-09"})
    assert {(row[0],): row[1] for row in days["rows"]} == {
        key: count
        for key, count in summed(cubes["acts_day"], "acts", 0).items()
        if "2026-10-05" <= str(key[0]) <= "2026-10-09"
    }


async def test_visits_with_an_act_for_an_authority(
    statistics: Statistics, ministry: Headers, cubes: naive.Cubes
) -> None:
    body = await ask(statistics, ministry, measures="visits_with_authority", by="authority")
    assert {(row[0],): row[1] for row in body["rows"]} == summed(cubes["acts_day"], "visits", 2)
    assert await refusal(statistics, ministry, measures="visits_with_authority", by="month") == (
        422, "measure_not_defined_by", ["/query/measures"],
    )  # fmt: skip


async def test_geography_families_and_compensation(statistics: Statistics, ministry: Headers) -> None:
    by_region = await ask(statistics, ministry, measures="acts", by="region,municipality", limit=1000, names=True)
    assert by_region["columns"] == ["region", "region_name", "municipality", "municipality_name", "acts"]
    assert all(row[1] and row[3] for row in by_region["rows"])
    total = await ask(statistics, ministry, measures="acts", by="")
    assert sum(row[4] for row in by_region["rows"]) == total["rows"][0][0]
    family = await ask(statistics, ministry, measures="acts", by="authority_family,authority", authority_family="te")
    assert {row[0] for row in family["rows"]} == {"te"} and len(family["rows"]) > 1
    money = await ask(statistics, ministry, measures="compensation,credited,invoices,credit_notes", by="provider")
    assert sum(row[3] for row in money["rows"]) == 16 and sum(row[4] for row in money["rows"]) == 4
    assert {row[0]: row[1] for row in money["rows"]}["kunta-732"] == "61.75"
    assert {row[0]: row[2] for row in money["rows"]}["kunta-732"] == "-12.35"


async def test_what_was_not_recorded_is_null_and_nothing_is_zero(statistics: Statistics, ministry: Headers) -> None:
    nothing = await ask(statistics, ministry, measures="acts,minutes", year="1999")
    assert nothing["rows"] == [[0, None]]
    some = await ask(statistics, ministry, measures="acts,minutes,acts_with_minutes")
    assert some["rows"][0][1] > 0 and some["rows"][0][2] < some["rows"][0][0]


async def test_pages_follow_the_key(statistics: Statistics, ministry: Headers) -> None:
    whole = await ask(statistics, ministry, measures="acts", by="point,authority", limit=5000)
    rows, after = [], None
    for _ in range(100):
        extra = {"after": after} if after else {}
        page = await ask(statistics, ministry, measures="acts", by="point,authority", limit=97, **extra)
        rows += page["rows"]
        after = page["next"]
        if after is None:
            break
    assert rows == whole["rows"] and len(rows) > 300
    assert await refusal(statistics, ministry, measures="acts", by="point", after="bm8") == (
        422, "invalid_cursor", ["/query/after"],
    )  # fmt: skip
    cells = await ask(statistics, ministry, measures="acts", by="day,point,authority,channel", limit=10_000)
    assert len(cells["rows"]) * len(cells["columns"]) <= 10_000 and cells["next"]


async def test_csv_is_what_json_is(statistics: Statistics, ministry: Headers) -> None:
    question = {"measures": "acts,minutes", "by": "authority,month,late", "names": "true"}
    answer = await statistics.http.get("/api/cube", params=question, headers={**ministry, "accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv") and answer.text.endswith("\r\n")
    read = list(csv.reader(io.StringIO(answer.text)))
    body = await ask(statistics, ministry, **question)
    assert read[0] == body["columns"]
    plain = [["" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in r] for r in body["rows"]]
    assert read[1:] == plain
    refused = await statistics.http.get("/api/cube", params=question, headers={**ministry, "accept": "image/png"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize(
    ("question", "code", "pointer"),
    [
        ({}, "measure_missing", "/query/measures"),
        ({"measures": "people"}, "unknown_measure", "/query/measures"),
        ({"measures": "acts", "by": "colour"}, "unknown_dimension", "/query/by"),
        ({"measures": "acts", "colour": "red"}, "unknown_dimension", "/query/colour"),
        ({"measures": "acts", "channel": "pigeon"}, "unknown_value", "/query/channel"),
        ({"measures": "acts", "authority": "nobody-here"}, "unknown_value", "/query/authority"),
        ({"measures": "acts", "point": "'; DROP TABLE x"}, "unknown_value", "/query/point"),
        ({"measures": "acts", "day": "2026-02-30"}, "unknown_value", "/query/day"),
        ({"measures": "acts", "municipality": "999"}, "unknown_value", "/query/municipality"),
        ({"measures": "acts", "from": "yesterday"}, "invalid_date", "/query/from"),
        ({"measures": "acts", "from": "2026-10", "to": "2026-09"}, "period_reversed", "/query/to"),
        ({"measures": "acts", "by": "day,month,year,weekday,hour,point,late"}, "too_many_dimensions", "/query/by"),
        ({"measures": "visits", "by": "service"}, "measure_not_defined_by", "/query/measures"),
        ({"measures": "visits", "by": "channel"}, "measure_not_defined_by", "/query/measures"),
        ({"measures": "acts", "by": "day,service"}, "measure_not_defined_by", "/query/measures"),
        ({"measures": "minutes", "from": "2026-10-02"}, "measure_not_defined_by", "/query/measures"),
    ],
)
async def test_each_fault_has_its_code_and_place(
    statistics: Statistics, ministry: Headers, question: dict[str, str], code: str, pointer: str
) -> None:
    assert await refusal(statistics, ministry, **question) == (422, code, [pointer])


async def test_an_authority_sees_its_own_acts_only(
    statistics: Statistics, token_issuer: TokenIssuer, cubes: naive.Cubes
) -> None:
    kela = token_issuer.headers("authority", "kela")
    body = await ask(statistics, kela, measures="acts,visits_with_authority,documents", by="authority")
    assert [row[0] for row in body["rows"]] == ["kela"]
    assert body["rows"][0][1] == summed(cubes["acts_month"], "acts", 2)["kela",]
    alone = await ask(statistics, kela, measures="visits_with_authority", by="month")
    assert sum(row[1] for row in alone["rows"]) == summed(cubes["acts_day"], "visits", 2)["kela",]
    assert await refusal(statistics, kela, measures="acts", authority="vero") == (403, "beyond_reach", [])
    assert (await refusal(statistics, kela, measures="visits"))[:2] == (403, "measure_beyond_reach")
    assert (await refusal(statistics, kela, measures="customers", by="point"))[:2] == (403, "measure_beyond_reach")
    paid = await ask(statistics, kela, measures="compensation", by="payer")
    assert [row[0] for row in paid["rows"]] == ["kela"]
    vero = token_issuer.headers("authority", "vero")
    assert (await ask(statistics, vero, measures="compensation", by="payer"))["rows"] == []


async def test_a_provider_and_an_adviser_see_their_points(
    statistics: Statistics, token_issuer: TokenIssuer, cubes: naive.Cubes
) -> None:
    points = summed(cubes["visits_day"], "visits", 1)
    provider = token_issuer.headers("provider", "kunta-732")
    body = await ask(statistics, provider, measures="visits,acts", by="point")
    assert {(row[0],): row[1] for row in body["rows"]} == {
        key: count for key, count in points.items() if str(key[0]).startswith("piste-732-")
    }
    adviser = token_issuer.headers("adviser", "kunta-732", ("piste-732-1",))
    seen = await ask(statistics, adviser, measures="visits", by="point")
    assert [row[0] for row in seen["rows"]] == ["piste-732-1"]
    assert (await refusal(statistics, adviser, measures="compensation"))[:2] == (403, "measure_beyond_reach")


async def test_own_staff_sees_its_authority_at_its_points(
    statistics: Statistics, token_issuer: TokenIssuer, cubes: naive.Cubes
) -> None:
    staff = token_issuer.headers("own_staff", "kela", ("piste-732-1",))
    body = await ask(statistics, staff, measures="acts", by="point,authority")
    assert {(row[0], row[1]): row[2] for row in body["rows"]} == {
        key: count for key, count in summed(cubes["acts_month"], "acts", 1, 2).items() if key == ("piste-732-1", "kela")
    }


async def test_the_public_and_the_operator_get_nothing(statistics: Statistics, token_issuer: TokenIssuer) -> None:
    assert (await refusal(statistics, {}, measures="acts"))[:2] == (401, "unauthenticated")
    assert (await refusal(statistics, token_issuer.headers("operator"), measures="acts"))[:2] == (403, "forbidden")


async def test_positions_tell_how_fresh_the_answer_is(statistics: Statistics, ministry: Headers, logs: Logs) -> None:
    body = await ask(statistics, ministry, measures="acts")
    assert {topic: place["known"] for topic, place in body["positions"].items()} == {
        log.topic.name: log.position for log in logs
    }


async def test_definitions_are_published_in_three_languages(statistics: Statistics) -> None:
    names = set()
    for language in ("fi", "sv", "en"):
        body = (await statistics.http.get("/api/measures", params={"lang": language})).json()
        visits = next(item for item in body["items"] if item["measure"] == "visits")
        assert body["version"] == visits["version"] == 1
        assert {"day", "place", "language"} <= set(visits["dimensions"]) and "service" not in visits["dimensions"]
        names.add(visits["name"])
    assert len(names) == 3
