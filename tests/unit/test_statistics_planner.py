"""What may be asked, and from which cube it is answered."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest

from services.chassis.access import Limit
from services.chassis.errors import ApudiaariError, Forbidden, Invalid
from services.statistics.cubes import CUBES
from services.statistics.domain import DIMENSIONS, MEASURES, Question, can_tell, dimensions_of, parse, plan
from services.statistics.store import money
from services.statistics.tabular import to_csv

EVERYTHING = (Limit(),)
SIZES = {"visits_day": 60, "acts_hour": 40, "acts_day": 80, "acts_month": 100}


def planned(question: Question, *limits: Limit) -> dict[str, tuple[str, ...]]:
    return {part.cube: part.measures for part in plan(question, limits or EVERYTHING, lambda cube: SIZES.get(cube, 9))}


def asked(**parameters: str) -> Question:
    return parse([(name.removesuffix("_"), value) for name, value in parameters.items()])


@pytest.mark.parametrize(
    ("question", "cubes"),
    [
        ({"measures": "acts", "by": "authority,month"}, {"acts_hour"}),
        ({"measures": "acts", "by": "authority,channel"}, {"acts_day"}),
        ({"measures": "acts", "by": "authority,service"}, {"acts_month"}),
        ({"measures": "acts", "by": "authority", "from": "2026-10-05"}, {"acts_day"}),
        ({"measures": "acts,quantity,minutes", "by": "authority,month"}, {"acts_month"}),
        ({"measures": "visits,acts", "by": "day"}, {"visits_day", "acts_day"}),
        ({"measures": "visits", "by": "region,language"}, {"visits_day"}),
        ({"measures": "compensation,invoices", "by": "payer"}, {"compensation_month", "invoices_month"}),
    ],
)
def test_the_fewest_rows_answer(question: dict[str, str], cubes: set[str]) -> None:
    assert set(planned(asked(**question))) == cubes


@pytest.mark.parametrize("dimension", ["service", "task", "channel", "authority", "hour", "coverage", "performed_by"])
def test_visits_do_not_add_up_over_acts(dimension: str) -> None:
    with pytest.raises(Invalid) as refused:
        planned(asked(measures="visits", by=dimension))
    assert refused.value.code == "measure_not_defined_by"
    assert dimension in refused.value.detail and "ask" in refused.value.detail


def test_visits_with_an_authority_need_one() -> None:
    with pytest.raises(Invalid, match="measure_not_defined_by"):
        planned(asked(measures="visits_with_authority", by="month"))
    with pytest.raises(Invalid, match="measure_not_defined_by"):
        planned(asked(measures="visits_with_authority", authority="kela,vero"))
    with pytest.raises(Invalid, match="measure_not_defined_by"):
        planned(asked(measures="visits_with_authority", by="authority_family"))
    assert planned(asked(measures="visits_with_authority", authority="kela"))
    assert planned(asked(measures="visits_with_authority", by="month"), Limit(authority_id="kela"))
    with pytest.raises(Invalid, match="measure_not_defined_by"):
        planned(asked(measures="visits_with_authority"), Limit(authority_id="kela"), Limit(points=frozenset({"a"})))


def test_what_an_authority_may_see_is_a_condition_the_cube_must_know() -> None:
    with pytest.raises(Forbidden, match="measure_beyond_reach"):
        planned(asked(measures="visits", by="day"), Limit(authority_id="kela"))
    with pytest.raises(Forbidden, match="measure_beyond_reach"):
        planned(asked(measures="compensation"), Limit(points=frozenset({"piste-732-1"})))


def test_every_measure_can_be_asked_by_every_dimension_it_names() -> None:
    for code, measure in MEASURES.items():
        for dimension in dimensions_of(code) & set(DIMENSIONS):
            by = (dimension, measure.needs) if measure.needs and measure.needs != dimension else (dimension,)
            assert planned(Question((code,), by)), (code, dimension)
        assert dimensions_of(code) <= {*DIMENSIONS}, code


def test_every_dimension_is_told_by_some_cube() -> None:
    assert frozenset().union(*map(can_tell, CUBES)) == set(DIMENSIONS)


def test_months_are_whole_periods() -> None:
    question = asked(measures="acts", from_="2026-02", to="2026-02")
    assert (question.first, question.last) == (dt.date(2026, 2, 1), dt.date(2026, 2, 28))
    assert question.whole_months


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ApudiaariError) as refused:
        asked(measures="people,acts", by="colour", channel="pigeon", to="never")
    assert {(each.pointer, each.code) for each in refused.value.errors} == {
        ("/query/measures", "unknown_measure"),
        ("/query/by", "unknown_dimension"),
        ("/query/channel", "unknown_value"),
        ("/query/to", "invalid_date"),
    }


def test_a_table_is_safe_in_a_spreadsheet() -> None:
    rows = [["=cmd|' /C calc'!A0", -5, None], ["-12.05", 0, True], ['Sanoi "hei", ja lähti', "@x", "+1"]]
    written = to_csv(["a", "b", "c"], rows)
    read = list(csv.reader(io.StringIO(written.decode(), newline="")))
    assert read[1:] == [
        ["'=cmd|' /C calc'!A0", "-5", ""],
        ["-12.05", "0", "true"],
        ['Sanoi "hei", ja lähti', "'@x", "'+1"],
    ]
    assert written.startswith(b"a,b,c\r\n") and written.count(b"\r\n") == 4


@pytest.mark.parametrize(("cents", "euros"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (-1205, "-12.05")])
def test_cents_become_euros(cents: int, euros: str) -> None:
    assert money(cents) == euros
