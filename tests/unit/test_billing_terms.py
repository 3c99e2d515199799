"""Which terms are in force, and for whom (R3, R5, R9)."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from services.billing.domain.rating import rate
from services.billing.domain.terms import coverage
from tests.support.billing_world import POINT, PROVIDER, History, act, ident, tariff


def slices(history: History, name: str) -> list[tuple[int, str, str]]:
    found = history.book().slices(str(ident(name)))
    return [(part.version.version, part.first.isoformat(), part.last.isoformat()) for part in found]


def test_the_highest_version_that_is_effective_is_in_force() -> None:
    history = History()
    history.sign("s", [tariff()], since="2026-01-01", until="2026-12-31")
    history.amend("s", "2026-06-01", [tariff()])
    history.amend("s", "2026-03-01", [tariff()])  # Signed last, effective before the second: it replaces it for good.
    assert slices(history, "s") == [
        (1, "2026-01-01", "2026-02-28"),
        (3, "2026-03-01", "2026-05-31"),
        (3, "2026-06-01", "2026-12-31"),
    ]


def test_terms_are_those_known_at_the_cut_off() -> None:
    history = History()
    history.sign("s", [tariff()], until="2026-12-31")
    history.amend("s", "2026-02-01", [tariff()])
    assert len(history.book(until=1).versions) == 1
    assert [part.version.version for part in history.book(until=1).slices(str(ident("s")))] == [1]
    assert [part.version.version for part in history.book().slices(str(ident("s")))] == [1, 2]


def test_a_terminated_agreement_covers_its_last_day_and_no_more() -> None:
    history = History()
    history.sign("s", [tariff()], until="2026-12-31")
    history.terminate("s", "2026-10-15")
    assert slices(history, "s") == [(1, "2026-01-01", "2026-10-15")]


def payers(history: History, month: str = "2025-01") -> dict[str, int]:
    found = rate(history.acts(), coverage(history.book(), [month])).lines
    return dict(found.group_by("payer").agg(pl.col("quantity").sum()).iter_rows())


def employment(successor: str, codes: tuple[str, ...] | None = None) -> History:
    """An agreement of the TE office, from whose day of end acts are recorded for its successor."""
    history = History()
    history.point()
    prices = [tariff(authority_id="te-toimisto")]
    history.sign(
        "te", prices, commissioners=("te-toimisto",), since="2020-01-01", services=[("te-toimisto", "tyonhaku")]
    )
    history.succeed("te-toimisto", successor, "2025-01-01", codes)
    history.visit("before", "2024-12-31", act("te-toimisto", "tyonhaku"))
    history.visit("after", "2025-01-01", act(successor, "tyonhaku"))
    history.visit("old name", "2025-01-02", act("te-toimisto", "tyonhaku"))
    return history


def test_the_successor_pays_from_its_date_under_either_name() -> None:
    history = employment("te-alue-19", ("732",))
    assert payers(history, "2024-12") == {"te-toimisto": 1}
    assert payers(history) == {"te-alue-19": 2}


def test_the_agreement_ends_where_the_successor_is_the_provider() -> None:
    history = employment(PROVIDER, ("732",))
    assert payers(history, "2024-12") == {"te-toimisto": 1}
    found = rate(history.acts(), coverage(history.book(), ["2025-01"]))
    assert found.lines.is_empty()
    january = found.unbilled.filter(pl.col("month") == "2025-01")
    assert dict(january.select("reason", "quantity").iter_rows()) == {
        "own_service": 1,
        "commissioner_is_provider": 1,
    }


def test_a_succession_elsewhere_changes_nothing_here() -> None:
    history = employment("te-alue-19", ("091",))
    assert payers(history) == {"te-toimisto": 1}


def test_successions_follow_one_another() -> None:
    history = History()
    history.point()
    history.succeed("maistraatti", "dvv", "2020-01-01")
    history.succeed("dvv", "uusi-virasto", "2027-01-01")
    book = history.book()
    days = [dt.date(2019, 12, 31), dt.date(2020, 1, 1), dt.date(2027, 1, 1)]
    assert [book.stands_for("maistraatti", "732", day) for day in days] == ["maistraatti", "dvv", "uusi-virasto"]


@pytest.mark.parametrize("authorities", [("kela", "vero"), ("vero", "kela")])
def test_a_circle_of_successions_comes_to_an_end(authorities: tuple[str, str]) -> None:
    history = History()
    history.succeed("kela", "vero", "2020-01-01")
    history.succeed("vero", "kela", "2021-01-01")
    first, second = authorities
    assert history.book().stands_for(first, "", dt.date(2022, 1, 1)) in {first, second}


def test_a_predecessor_and_its_successor_in_one_agreement_are_billed_once() -> None:
    history = History()
    history.point()
    history.sign(
        "both",
        [tariff(authority_id="maistraatti"), tariff("kuukausi", "31.00", "fixed_monthly", authority_id="dvv")],
        commissioners=("maistraatti", "dvv"),
        services=[("maistraatti", "otteet")],
    )
    history.succeed("maistraatti", "dvv", "2020-01-01")
    history.visit("a", "2026-10-01", act("dvv", "otteet"))
    found = rate(history.acts(), coverage(history.book(), ["2026-10"])).lines
    assert sorted(found.select("payer", "item", "quantity").iter_rows()) == [
        ("dvv", "kuukausi", 31),
        ("dvv", "neuvonta", 1),
    ]


def test_an_agreement_of_many_points_owes_its_monthly_fee_once() -> None:
    history = History()
    for number in (1, 2, 3):
        history.point(f"piste-732-{number}")
    points = (POINT, "piste-732-2", "piste-732-3")
    history.sign("s", [tariff("kuukausi", "310.00", "fixed_monthly")], points=points)
    found = rate(history.acts(), coverage(history.book(), ["2026-10"])).lines
    assert found.select("quantity", "amount").rows() == [(31, 31000)]
