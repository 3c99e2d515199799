"""Acts × terms → lines: each clause by example, then everything against the naive recomputation."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.agreements import Vat
from services.billing.domain.money import amount_text, price_text
from services.billing.domain.periods import months_between
from services.billing.domain.rating import rate
from services.billing.domain.terms import coverage
from tests.support.billing_world import POINT, PROVIDER, History, act, ident, tariff
from tests.support.naive import billing as naive

OCTOBER = ["2026-10"]


def world() -> History:
    history = History()
    history.point()
    return history


def lines(history: History, months: list[str] = OCTOBER) -> list[tuple[Any, ...]]:
    """(payer, month, item, quantity, price, amount) of every line."""
    found = rate(history.acts(), coverage(history.book(), months)).lines
    columns = ["payer", "month", "item", "quantity", "price", "amount"]
    return [
        (payer, month, item, quantity, price_text(price), amount_text(amount))
        for payer, month, item, quantity, price, amount in found.select(columns).iter_rows()
    ]


def unbilled(history: History, months: list[str] = OCTOBER) -> dict[str, int]:
    found = rate(history.acts(), coverage(history.book(), months)).unbilled
    return dict(found.group_by("reason").agg(pl.col("quantity").sum()).iter_rows())


def test_each_act_is_billed_by_its_quantity() -> None:
    history = world()
    history.sign("s", [tariff(price="12.50")])
    history.visit("a", "2026-10-05", act(), act(quantity=3))
    assert lines(history) == [("kela", "2026-10", "neuvonta", 4, "12.50", "50.00")]


def test_most_specific_item_prices_an_act() -> None:
    history = world()
    history.sign(
        "s",
        [
            tariff("yleinen", "1.00"),
            tariff("puhelin", "2.00", channel="phone"),
            tariff("neuvonta-puhelin", "3.00", task="advise", channel="phone"),
            tariff("asumistuki", "4.00", service="asumistuki"),
        ],
    )
    history.visit("a", "2026-10-05", act(channel="phone"))
    history.visit("b", "2026-10-05", act(service="elakkeet", channel="phone"))
    history.visit("c", "2026-10-05", act(service="elakkeet", channel="phone", task="identify"))
    history.visit("d", "2026-10-05", act(service="elakkeet", task="identify"))
    assert {line[2]: line[5] for line in lines(history)} == {
        "asumistuki": "4.00",
        "neuvonta-puhelin": "3.00",
        "puhelin": "2.00",
        "yleinen": "1.00",
    }


def test_minutes_are_of_the_entry_and_not_multiplied_by_its_quantity() -> None:
    history = world()
    history.sign("s", [tariff("aika", "0.6550", "per_minute")])
    history.visit("a", "2026-10-05", act(minutes=20, quantity=2), act(minutes=7))
    assert lines(history) == [("kela", "2026-10", "aika", 27, "0.655", "17.69")]


def test_an_act_without_a_whole_minute_has_started_one_and_one_without_time_is_not_guessed() -> None:
    history = world()
    history.sign("s", [tariff("aika", "1.00", "per_started_minute")])
    history.visit("a", "2026-10-05", act(minutes=0), act(minutes=2), act(minutes=None))
    assert lines(history) == [("kela", "2026-10", "aika", 3, "1.00", "3.00")]
    assert unbilled(history) == {"no_minutes": 1}


def test_included_acts_are_free_each_month_anew() -> None:
    history = world()
    history.sign("s", [tariff("paketti", "10.00", "included_then_per_act", included=3)])
    for number in range(5):
        history.visit(f"o{number}", "2026-10-05", act())
    for number in range(4):
        history.visit(f"s{number}", "2026-09-05", act())
    assert lines(history, ["2026-09", "2026-10"]) == [
        ("kela", "2026-09", "paketti", 1, "10.00", "10.00"),
        ("kela", "2026-10", "paketti", 2, "10.00", "20.00"),
    ]


def test_included_acts_are_used_up_in_the_order_of_days_across_a_change_of_price() -> None:
    history = world()
    history.sign("s", [tariff("paketti", "10.00", "included_then_per_act", included=2)])
    history.amend("s", "2026-10-16", [tariff("paketti", "20.00", "included_then_per_act", included=4)])
    for number in range(3):
        history.visit(f"late{number}", "2026-10-20", act())
        history.visit(f"early{number}", "2026-10-02", act())
    # Three before the change, of which two are free; then the fourth is free, the fifth and sixth are not.
    assert {line[4]: line[3] for line in lines(history)} == {"10.00": 1, "20.00": 2}


@pytest.mark.parametrize(
    ("month", "days", "amount"), [("2026-10", 31, "800.00"), ("2026-02", 28, "800.00"), ("2028-02", 29, "800.00")]
)
def test_a_whole_month_costs_the_monthly_price(month: str, days: int, amount: str) -> None:
    history = world()
    history.sign("s", [tariff("perus", "800.00", "fixed_monthly")])
    assert lines(history, [month]) == [("kela", month, "perus", days, "800.00", amount)]


def test_a_monthly_fee_follows_the_covered_days_of_each_version() -> None:
    history = world()
    history.sign("s", [tariff("perus", "310.00", "fixed_monthly")], since="2026-10-11", until="2026-10-30")
    history.amend("s", "2026-10-21", [tariff("perus", "620.00", "fixed_monthly")])
    assert lines(history) == [
        ("kela", "2026-10", "perus", 10, "310.00", "100.00"),
        ("kela", "2026-10", "perus", 10, "620.00", "200.00"),
    ]


def test_corrections_and_voids_take_back_what_they_replace() -> None:
    history = world()
    prices = [tariff(price="10.00"), tariff("vero", "20.00", authority_id="vero")]
    history.sign("s", prices, commissioners=("kela", "vero"))
    history.visit("a", "2026-10-05", act())
    history.visit("b", "2026-10-05", act())
    history.visit("c", "2026-10-05", act())
    history.correct("a", "2026-10-06", act("vero", "verokortti"))
    history.void("b")
    assert lines(history) == [
        ("kela", "2026-10", "neuvonta", 1, "10.00", "10.00"),
        ("vero", "2026-10", "vero", 1, "20.00", "20.00"),
    ]


def test_every_act_that_nobody_pays_for_says_why() -> None:
    history = world()
    history.sign("s", [tariff(service="asumistuki")], until="2026-10-20")
    history.visit("own", "2026-10-05", act(PROVIDER, "yleisneuvonta"))
    history.visit("staff", "2026-10-05", act(performed_by="own_staff"))
    history.visit("expert", "2026-10-05", act(performed_by="remote_expert"))
    history.visit("scope", "2026-10-05", act(service="opintotuki"))
    history.visit("price", "2026-10-05", act(service="elakkeet"))
    history.visit("after", "2026-10-21", act())
    history.visit("else", "2026-10-05", act(), point="piste-999-1")
    assert lines(history) == []
    assert unbilled(history) == {
        "own_service": 1,
        "not_by_adviser": 2,
        "outside_scope": 1,
        "no_tariff": 1,
        "no_agreement": 2,
    }


def test_an_unknown_kind_of_tariff_prices_nothing_and_is_counted() -> None:
    history = world()
    history.sign("s", [tariff(kind="per_smile")])
    history.visit("a", "2026-10-05", act())
    assert lines(history) == []
    assert unbilled(history) == {"no_tariff": 1}


def test_a_price_of_nothing_is_a_line_of_nothing() -> None:
    history = world()
    history.sign("s", [tariff(price="0.00")])
    history.visit("a", "2026-10-05", act())
    assert lines(history) == [("kela", "2026-10", "neuvonta", 1, "0.00", "0.00")]


def test_another_payer_than_the_commissioner() -> None:
    history = world()
    history.sign("s", [tariff(payer_id="dvv")])
    history.visit("a", "2026-10-05", act())
    assert [line[0] for line in lines(history)] == ["dvv"]


def test_half_a_cent_goes_up() -> None:
    history = world()
    history.sign("s", [tariff(price="0.125")])
    history.visit("a", "2026-10-05", act())
    history.visit("b", "2026-09-05", act(), act(), act())
    assert [line[5] for line in lines(history, ["2026-09", "2026-10"])] == ["0.38", "0.13"]


def test_where_two_agreements_cover_an_act_the_first_known_bills_it_once() -> None:
    history = world()
    history.sign("first", [tariff("eka", "1.00")])
    history.sign("second", [tariff("toka", "2.00")])
    history.visit("a", "2026-10-05", act())
    assert [line[2] for line in lines(history)] == ["eka"]


# Everything at once, against the naive recomputation

DAYS = st.sampled_from([f"2026-{month:02d}-{day:02d}" for month in (8, 9, 10) for day in (1, 9, 15, 16, 28)])
GIVEN = {
    "kela": ("asumistuki", "elakkeet"),
    "vero": ("verokortti",),
    "te-toimisto": ("tyonhaku",),
    "te-alue-19": ("tyonhaku",),
    "kunta-732": ("yleisneuvonta",),
}
PAIRS = [(authority, service) for authority, services in GIVEN.items() for service in services]
OFTEN_KELA = [PAIRS[0], PAIRS[0], PAIRS[1], *PAIRS, ("vero", "asumistuki")]
"""Mostly acts that some agreement may cover; one that none does."""
ACT = st.builds(
    lambda pair, **rest: act(*pair, **rest),
    st.sampled_from(OFTEN_KELA),
    task=st.sampled_from(["advise", "advise", "identify", "sell"]),
    channel=st.sampled_from(["counter", "phone"]),
    quantity=st.integers(1, 4),
    minutes=st.one_of(st.integers(0, 50), st.none()),
    performed_by=st.sampled_from(["adviser", "adviser", "adviser", "adviser", "own_staff"]),
)


@st.composite
def tariffs_of(draw: st.DrawFn, authorities: tuple[str, ...]) -> list[dict[str, Any]]:
    """Items of an agreement's own authorities: for each a general one, and some that are narrower."""
    found = []
    for authority in authorities:
        for _ in range(draw(st.integers(1, 3))):
            given = {
                "kind": draw(st.sampled_from(KINDS)),
                "price": draw(st.sampled_from(["0.00", "0.125", "7.3333", "12.50", "333.33"])),
                "service": draw(st.sampled_from([None, None, *GIVEN[authority]])),
                "task": draw(st.sampled_from([None, None, "advise"])),
                "channel": draw(st.sampled_from([None, None, "phone"])),
                "included": draw(st.integers(0, 5)),
                "payer_id": draw(st.sampled_from([None, None, "dvv"])),
            }
            found.append({"item": f"nimike-{len(found)}", "authority_id": authority, **given})
    return found


KINDS = ["per_act", "per_minute", "per_started_minute", "included_then_per_act", "fixed_monthly"]
SERVICES = [("kela", "asumistuki"), ("kela", "elakkeet"), ("vero", "verokortti"), ("te-toimisto", "tyonhaku")]


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = world()
    history.point("piste-732-2", municipality="732")
    if draw(st.booleans()):
        successor = draw(st.sampled_from(["te-alue-19", "kunta-732"]))
        codes = draw(st.sampled_from([None, ("732",), ("091",)]))
        history.succeed("te-toimisto", successor, draw(DAYS), codes)
    for number in range(draw(st.integers(1, 3))):
        commissioners = draw(st.sampled_from([("kela",), ("kela", "vero"), ("te-toimisto",), ("vero", "te-toimisto")]))
        name = f"agreement {number}"
        history.sign(
            name,
            draw(tariffs_of(commissioners)),
            commissioners=commissioners,
            points=draw(st.sampled_from([(POINT,), (POINT, "piste-732-2")])),
            since=draw(st.sampled_from(["2026-01-01", "2026-01-01", "2026-08-09", "2026-09-16"])),
            until=draw(st.sampled_from([None, None, "2026-10-15"])),
            services=SERVICES,
            vat=draw(st.sampled_from([Vat(rate="25.5"), Vat(exempt_reason="viranomaistoiminta")])),
        )
        for _ in range(draw(st.integers(0, 2))):
            history.amend(name, draw(DAYS), draw(tariffs_of(commissioners)), services=SERVICES)
        if draw(st.integers(0, 4)) == 0:
            history.terminate(name, draw(DAYS))
    for number in range(draw(st.integers(4, 14))):
        point = draw(st.sampled_from([POINT, POINT, "piste-732-2"]))
        history.visit(f"visit {number}", draw(DAYS), *draw(st.lists(ACT, min_size=1, max_size=3)), point=point)
    for name in list(history.facts):
        what = draw(st.sampled_from(["leave", "leave", "correct", "void"]))
        if what == "correct":
            history.correct(name, draw(DAYS), *draw(st.lists(ACT, min_size=1, max_size=3)))
        elif what == "void":
            history.void(name)
    return history


def compared(history: History) -> set[str]:
    """Compare the two; the clauses of the lines that were."""
    months = months_between("2026-08", "2026-10")
    found = rate(history.acts(), coverage(history.book(), months)).lines
    diary, agreements = history.json()
    expected = naive.due(diary, agreements, PROVIDER, months, "2026-08")
    keys = ["payer", "agreement", "commissioner", "month", "item", "vat_rate", "clause", "price"]
    ours = {
        (*row[:-3], Decimal(row[-3]).scaleb(-4)): (row[-2], Decimal(row[-1]).scaleb(-2))
        for row in found.select(*keys, "quantity", "amount").iter_rows()
    }
    assert ours == expected
    assert found.height == len(ours)
    return set(found["clause"])


def test_vectorised_rating_equals_an_act_by_act_recomputation() -> None:
    """And the histories are worth it: each clause has priced something in a fair share of them."""
    seen: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None)
    @given(histories())
    def each(history: History) -> None:
        seen.update(compared(history))

    each()
    assert all(seen[kind] >= 12 for kind in KINDS), seen


def test_the_ids_of_the_world_are_what_the_lines_say() -> None:
    history = world()
    history.sign("s", [tariff()])
    history.visit("a", "2026-10-05", act())
    found = rate(history.acts(), coverage(history.book(), OCTOBER)).lines
    assert found["agreement"].to_list() == [str(ident("s"))]
