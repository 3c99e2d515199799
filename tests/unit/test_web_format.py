"""Dates, money and names as people in Finland read them."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.web.format import DASH, MINUS, NO_BREAK_SPACE, Formatter, sort_key

FI, SV, EN = Formatter("fi"), Formatter("sv"), Formatter("en")


def plain(text: str) -> str:
    return text.replace(NO_BREAK_SPACE, " ")


def test_dates_and_times_are_helsinki_s() -> None:
    late = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
    assert FI.date(late) == "24.11.2026" and FI.time(late) == "0.30"
    assert EN.time("2026-06-01T13:04:00+03:00") == "13:04"
    assert plain(SV.moment("2026-11-24T14:14:00Z")) == "24.11.2026 16.14"


def test_long_forms() -> None:
    day = date(2026, 11, 24)
    assert FI.long_date(day) == "tiistai 24. marraskuuta 2026"
    assert SV.long_date(day) == "tisdag 24 november 2026"
    assert EN.long_date(day) == "Tuesday 24 November 2026"
    assert (FI.month("2026-10"), SV.month("2026-10"), EN.month("2026-10")) == (
        "lokakuu 2026",
        "oktober 2026",
        "October 2026",
    )
    assert [FI.weekday(day) for day in (1, 7)] == ["ma", "su"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [("1234.56", "1 234,56 €"), ("-0.50", "−0,50 €"), ("0", "0,00 €"), ("1234567.00", "1 234 567,00 €")],
)
def test_money(value: str, shown: str) -> None:
    assert plain(FI.money(value)) == shown
    assert " " not in FI.money(value), "a figure must not break over lines"
    assert "-" not in FI.money(value)


def test_half_cents_round_away_from_zero_and_minus_zero_is_zero() -> None:
    assert FI.number("0.125", 2) == "0,13" and FI.number("-0.125", 2) == f"{MINUS}0,13"
    assert FI.number("-0.001", 2) == "0,00"


def test_unknown_is_a_dash_and_not_zero() -> None:
    assert {FI.date(None), FI.time(None), FI.money(None), FI.number(None), FI.percent(None), FI.minutes(None)} == {DASH}


def test_durations_and_shares() -> None:
    assert plain(FI.minutes(65)) == "1 h 5 min" and plain(FI.minutes(0)) == "0 min" and plain(FI.minutes(60)) == "1 h"
    assert plain(FI.percent(0.125, 1)) == "12,5 %"


@given(st.decimals(-(10**9), 10**9, places=2))
def test_money_reads_back(value: object) -> None:
    shown = plain(FI.money(str(value))).removesuffix(" €").replace(" ", "").replace(",", ".").replace(MINUS, "-")
    assert float(shown) == pytest.approx(float(str(value)))


def test_names_sort_by_the_finnish_and_swedish_alphabet() -> None:
    names = ["Öja", "Äänekoski", "Åland", "Zeppelin", "Vöyri", "piste 10", "piste 2", "Oulu", "oulu"]
    expected = ["Oulu", "oulu", "piste 2", "piste 10", "Vöyri", "Zeppelin", "Åland", "Äänekoski", "Öja"]
    assert FI.in_order(names) == expected


@given(st.text(max_size=12), st.text(max_size=12))
def test_the_key_tells_different_names_apart(one: str, other: str) -> None:
    assert (sort_key(one) == sort_key(other)) is (one == other)
