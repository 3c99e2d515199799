"""Difference invoicing: given documents, when acts or terms change, then reversals and new lines (R28, R29)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.agreements import Vat
from schemas.billing import BillingPeriodClosed, CreditNoteIssued, CutOffs, _Document
from services.billing.domain import series as series_of
from services.billing.domain.difference import billed_lines
from services.billing.domain.documents import Run, serial_of, series_code
from services.billing.domain.money import cents
from services.billing.domain.periods import months_between
from services.billing.domain.runs import Known, settle
from services.billing.domain.scope import Scope
from services.billing.domain.series import Series
from services.chassis.errors import Conflict, Invalid
from services.chassis.ids_fi import check_reference
from tests.support.billing_world import PROVIDER, History, act, tariff
from tests.unit.test_billing_rating import histories


@dataclass
class Ledger:
    """A provider's documents, run after run over everything known."""

    history: History
    documents: list[_Document] = field(default_factory=list)
    state: Series = field(default_factory=Series)
    today: dt.date = dt.date(2026, 11, 2)

    def run(self, period: str = "2026-10", run_id: UUID | None = None) -> list[_Document]:
        run = Run(run_id or uuid4(), PROVIDER, period, CutOffs(diary=len(self.history.diary), agreements=1))
        months = dict.fromkeys(months_between("2026-08", period))
        known = Known(
            cut_offs=run.cut_offs,
            acts=self.history.acts(),
            billed=billed_lines(self.documents),
            book=self.history.book(),
            scopes={PROVIDER: Scope(PROVIDER, months)},
            openings={PROVIDER: "2026-08"},
            feeds={},
        )
        settled = settle(known, period, {PROVIDER: run.run_id})[PROVIDER]
        events = series_of.close(
            run, settled.drafts, self.state, version=1, expected=1, opens="2026-08", today=self.today
        )
        for event in events:
            self.state = series_of.evolve(self.state, event)
        made = [event for event in events if isinstance(event, _Document)]
        self.documents += made
        return made

    def net(self) -> int:
        return sum(cents(document.total) for document in self.documents)


def ledger(*tariffs: dict[str, object], vat: Vat | None = None) -> Ledger:
    history = History()
    history.point()
    given_vat = vat or Vat(exempt_reason="viranomaistoiminta")
    history.sign("s", list(tariffs) or [tariff(price="10.00")], vat=given_vat)
    return Ledger(history)


def shown(document: _Document) -> list[tuple[str, int, str, str | None]]:
    return [
        (line.service_month, line.quantity, line.amount, line.reverses.number if line.reverses else None)
        for line in document.lines
    ]


def test_nothing_changed_means_nothing_issued() -> None:
    book = ledger()
    book.history.visit("a", "2026-10-05", act())
    assert len(book.run()) == 1
    assert book.run() == []


def test_a_late_entry_is_a_reversal_and_a_new_line_in_its_own_month() -> None:
    book = ledger()
    book.history.visit("a", "2026-09-05", act())
    (first,) = book.run("2026-09")
    book.history.visit("late", "2026-09-30", act())
    (second,) = book.run("2026-10")
    assert shown(second) == [("2026-09", -1, "-10.00", first.number), ("2026-09", 2, "20.00", None)]
    assert second.total == "10.00"
    assert second.corrects == (first.number,)


def test_a_void_gives_a_credit_note_that_lists_the_invoice() -> None:
    book = ledger()
    book.history.visit("a", "2026-10-05", act())
    (first,) = book.run()
    book.history.void("a")
    (credit,) = book.run()
    assert isinstance(credit, CreditNoteIssued)
    assert credit.total == "-10.00"
    assert credit.corrects == (first.number,)
    assert book.net() == 0


def test_an_act_moved_to_another_authority_credits_one_and_bills_the_other() -> None:
    book = ledger()
    book.history.sign("vero", [tariff("verot", "7.00", authority_id="vero")], commissioners=("vero",))
    book.history.visit("a", "2026-10-05", act())
    book.run()
    book.history.correct("a", "2026-10-05", act("vero", "verokortti"))
    assert {document.payer_id: document.total for document in book.run()} == {"kela": "-10.00", "vero": "7.00"}


def test_a_backdated_amendment_changes_every_month_and_no_issued_document() -> None:
    book = ledger()
    for month in ("08", "09", "10"):
        book.history.visit(month, f"2026-{month}-05", act())
        book.run(f"2026-{month}")
    before = [document.model_dump() for document in book.documents]
    book.history.amend("s", "2026-09-01", [tariff(price="12.00")])
    (difference,) = book.run()
    assert [line for line in shown(difference) if line[3] is None] == [
        ("2026-09", 1, "12.00", None),
        ("2026-10", 1, "12.00", None),
    ]
    assert difference.total == "4.00"
    assert [document.model_dump() for document in book.documents[:3]] == before


def test_a_version_that_changes_no_figure_changes_no_line() -> None:
    book = ledger()
    book.history.visit("a", "2026-10-05", act())
    book.run()
    book.history.amend("s", "2026-10-01", [tariff(price="10.00")])
    assert book.run() == []


def test_an_item_that_comes_back_lists_every_earlier_number_of_its_key() -> None:
    book = ledger()
    book.history.visit("a", "2026-10-05", act())
    (first,) = book.run()
    book.history.void("a")
    (second,) = book.run()
    book.history.visit("b", "2026-10-05", act())
    (third,) = book.run()
    assert third.corrects == (first.number, second.number)
    assert shown(third) == [("2026-10", 1, "10.00", None)]


def test_numbers_have_no_gap_and_start_anew_each_year() -> None:
    book = ledger()
    for number in range(3):
        book.history.visit(f"a{number}", "2026-10-05", act())
        book.run()
    book.today = dt.date(2027, 1, 4)
    book.history.visit("next", "2026-12-05", act())
    book.run("2026-12")
    assert [document.number for document in book.documents] == [
        "KUNTA732-2026-000001",
        "KUNTA732-2026-000002",
        "KUNTA732-2026-000003",
        "KUNTA732-2027-000001",
    ]
    for document in book.documents:
        check_reference(document.reference)
        assert document.due_on == document.issued_on + dt.timedelta(days=30)
        assert serial_of(document.number) > 0


@pytest.mark.parametrize("provider", ["kela", "lvv", "kunta-732", "a-provider-with-a-very-long-name-indeed"])
def test_a_series_code_fits_a_finvoice_number(provider: str) -> None:
    assert len(f"{series_code(provider)}-2026-000001") <= 20


def test_long_provider_ids_have_series_of_their_own() -> None:
    assert series_code("kuntayhtyma-pohjoinen") != series_code("kuntayhtyma-etelainen")


def test_vat_is_on_the_sum_of_the_document() -> None:
    book = ledger(tariff("a", "0.33", channel="counter"), tariff("b", "0.67", channel="phone"), vat=Vat(rate="25.5"))
    book.history.visit("a", "2026-10-05", act(), act(channel="phone"))
    (document,) = book.run()
    assert [(v.rate, v.base, v.vat) for v in document.vat] == [("25.5", "1.00", "0.26")]
    assert document.total == "1.26"


def test_a_month_that_is_not_over_is_not_invoiced() -> None:
    book = ledger()
    book.today = dt.date(2026, 10, 31)
    with pytest.raises(Invalid, match="period_open"):
        book.run()
    book.today = dt.date(2026, 11, 1)
    assert book.run() == []


def test_whoever_computed_on_an_older_stream_version_is_refused() -> None:
    run = Run(uuid4(), PROVIDER, "2026-10", CutOffs(diary=1, agreements=1))
    with pytest.raises(Conflict, match="run_overtaken"):
        series_of.close(run, [], Series(), version=2, expected=1, opens="2026-10", today=dt.date(2026, 11, 1))


def test_a_run_ends_with_its_period_closed_also_without_documents() -> None:
    run = Run(uuid4(), PROVIDER, "2026-10", CutOffs(diary=1, agreements=1))
    (ended,) = series_of.close(run, [], Series(), version=0, expected=0, opens="2026-10", today=dt.date(2026, 11, 1))
    assert isinstance(ended, BillingPeriodClosed)
    assert ended.documents == ()


@settings(max_examples=60, deadline=None)
@given(histories())
def test_lines_make_the_total_and_a_full_credit_leaves_nothing(history: History) -> None:
    book = Ledger(history)
    for document in book.run():
        sums = sum(cents(line.amount) for line in document.lines)
        assert sums == sum(cents(each.base) for each in document.vat)
        assert cents(document.total) == sums + sum(cents(each.vat) for each in document.vat)
    first = {document.payer_id: cents(document.total) for document in book.documents}
    for name in list(history.facts):
        history.void(name)
    for name in history.signed:
        history.amend(name, "2026-01-01", [])
    credits = {document.payer_id: cents(document.total) for document in book.run()}
    assert {payer: total for payer, total in first.items() if total} == {
        payer: -total for payer, total in credits.items() if total
    }


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(1, 12))
def test_runs_in_between_end_where_one_run_at_the_end_does(history: History, cut: int) -> None:
    stepwise, at_once = Ledger(history), Ledger(history)
    whole, history.diary = history.diary, history.diary[:cut]
    stepwise.run("2026-09")
    history.diary = whole
    stepwise.run("2026-10")
    at_once.run("2026-10")

    def standing(book: Ledger) -> list[tuple[object, ...]]:
        lines = billed_lines(book.documents).filter("open").drop("number", "line_no", "version")
        return sorted(lines.iter_rows())

    assert standing(stepwise) == standing(at_once)
