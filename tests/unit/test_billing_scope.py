"""A run over what was touched issues what a run over everything would (design.md §7)."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.billing import CutOffs
from services.billing.domain.difference import BILLED, Change, billed_lines, changes
from services.billing.domain.periods import month_of, months_between
from services.billing.domain.runs import Known, due, settle
from services.billing.domain.scope import Scope, Touched, scope_of
from services.billing.domain.series import Closing, Series, closed
from tests.support.billing_world import PROVIDER, History, act, tariff
from tests.unit.test_billing_difference import Ledger
from tests.unit.test_billing_rating import histories

EVERYTHING = months_between("2026-01", "2026-10")


def known(history: History, scope: Scope, documents: list[object]) -> Known:
    acts = history.acts()
    return Known(
        cut_offs=CutOffs(diary=len(history.diary), agreements=len(history.agreements)),
        acts=acts.filter(
            [scope.covers(month_of(day), authority) for day, authority in acts.select("day", "authority").rows()]
        ),
        billed=billed_lines(documents),  # type: ignore[arg-type]
        book=history.book(),
        scopes={PROVIDER: scope},
        openings={PROVIDER: "2026-08"},
        feeds={},
    )


def wanted(it: Known) -> list[Change]:
    lines = due(it).lines
    billed = it.billed.filter(
        [it.scopes[PROVIDER].covers(m, c) for m, c in it.billed.select("month", "commissioner").rows()]
    )
    return changes(lines, billed if billed.height else it.billed.clear().select(BILLED.keys()))


@settings(max_examples=80, deadline=None)
@given(histories(), st.integers(0, 12), st.integers(0, 6))
def test_the_touched_scope_issues_what_the_whole_scope_would(history: History, seen: int, read: int) -> None:
    whole_diary, whole_agreements = history.diary, history.agreements
    history.diary, history.agreements = whole_diary[:seen], whole_agreements[:read]
    cut_diary, cut_agreements = len(history.diary), len(history.agreements)
    earlier = Ledger(history)
    earlier.run("2026-09")
    history.diary, history.agreements = whole_diary, whole_agreements

    series = closed(Series(), Closing("2026-09", cut_diary, cut_agreements), "2026-08")
    new = history.acts().rows(named=True)[history.acts(cut_diary).height if cut_diary else 0 :]
    touched = [Touched(row["authority"], month_of(row["day"])) for row in new]
    scope = scope_of(PROVIDER, "2026-10", series, "2026-08", touched, "2026-08", history.book())
    everything = Scope(PROVIDER, dict.fromkeys(months_between("2026-08", "2026-10")))
    documents = list[object](earlier.documents)
    assert wanted(known(history, scope, documents)) == wanted(known(history, everything, documents))


def test_an_untouched_month_is_left_out() -> None:
    history = History()
    history.sign("s", [tariff()])
    history.visit("a", "2026-08-05", act())
    series = closed(Series(), Closing("2026-09", 1, 1), "2026-08")
    scope = scope_of(PROVIDER, "2026-10", series, "2026-08", [], "2026-08", history.book())
    assert scope.months == {"2026-10": None}


def test_a_late_entry_brings_back_its_month_for_its_authority_only() -> None:
    series = closed(Series(), Closing("2026-09", 1, 1), "2026-08")
    scope = scope_of(PROVIDER, "2026-10", series, "2026-08", [Touched("kela", "2026-08")], "2026-08", History().book())
    assert scope.months == {"2026-10": None, "2026-08": frozenset({"kela"})}
    assert [(r.authority, r.first.isoformat(), r.last.isoformat()) for r in scope.reaches()] == [
        (None, "2026-10-01", "2026-10-31"),
        ("kela", "2026-08-01", "2026-08-31"),
    ]


def test_the_first_run_looks_at_everything_since_the_first_act() -> None:
    scope = scope_of(PROVIDER, "2026-10", Series(), "2026-09", [], "2026-07", History().book())
    assert scope.months == dict.fromkeys(["2026-07", "2026-08", "2026-09", "2026-10"])
    assert len(list(scope.reaches())) == 1


def test_a_run_for_an_earlier_month_does_not_hide_a_later_months_changes() -> None:
    """What is known of every month is what the oldest of the closings that still count knew."""
    series = closed(closed(Series(), Closing("2026-10", 5, 1), "2026-08"), Closing("2026-09", 9, 2), None)
    assert series.billed_until == "2026-10"
    assert series.known == (5, 1)
    assert series.latest == (9, 2)
    assert closed(series, Closing("2026-10", 12, 3), None).known == (12, 3)


def test_the_opening_month_is_settled_once() -> None:
    series = closed(closed(Series(), Closing("2026-09", 5, 1), "2026-08"), Closing("2026-10", 9, 2), "2026-01")
    assert series.opens == "2026-08"


@pytest.mark.parametrize("opening", ["2026-08", "2026-10"])
def test_fixed_fees_begin_with_the_opening_month(opening: str) -> None:
    history = History()
    history.point()
    history.sign("s", [tariff("kk", "10.00", "fixed_monthly")], since="2020-01-01")
    it = known(history, Scope(PROVIDER, dict.fromkeys(EVERYTHING)), [])
    it = Known(it.cut_offs, it.acts, it.billed, it.book, it.scopes, {PROVIDER: opening}, {})
    settled = settle(it, "2026-10", {PROVIDER: UUID(int=1)})[PROVIDER]
    months = [line.service_month for draft in settled.drafts for line in draft.lines]
    assert months == months_between(opening, "2026-10")
