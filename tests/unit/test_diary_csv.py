"""CSV files of visits: what is read, and what is said of each row that is not."""

from __future__ import annotations

import datetime as dt

import pytest

from services.chassis.errors import ApudiaariError, FieldError
from services.diary.domain import csv_rows
from services.diary.domain.csv_rows import Problem, Table
from tests.support.diary import SALLA

HEADER = "external_id;occurred_at;authority_id;service;task;channel;quantity;minutes;language"
ROW = "A-1;2026-11-23 10:15;kela;asumistuki;advise;counter;1;12;sv"


def read(*rows: str, header: str = HEADER, point: str | None = SALLA) -> Table:
    return csv_rows.read("\r\n".join([header, *rows]).encode(), point)


def problems(*rows: str, **options: str) -> list[tuple[int, str, str]]:
    return [(p.line, p.column, p.code) for visit in read(*rows, **options).visits for p in visit.problems]


def test_a_row_is_a_visit_with_one_act() -> None:
    (visit,) = read(ROW).visits
    assert visit.entry is not None
    assert (visit.external_id, visit.entry.service_point_id, visit.entry.language) == ("A-1", SALLA, "sv")
    assert (visit.entry.acts[0].authority_id, visit.entry.acts[0].minutes) == ("kela", 12)
    assert visit.entry.occurred_at == dt.datetime(2026, 11, 23, 8, 15, tzinfo=dt.UTC)


def test_rows_of_one_external_id_are_acts_of_one_visit_wherever_they_stand() -> None:
    table = read(ROW, "B;2026-11-23 11:00;vero;verokortti;advise;phone;;;", ROW.replace("asumistuki", "elakkeet"))
    assert [len(visit.rows) for visit in table.visits] == [2, 1]
    assert table.visits[0].entry is not None
    assert [act.service for act in table.visits[0].entry.acts] == ["asumistuki", "elakkeet"]
    assert table.rows == 3


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_delimiters_a_byte_order_mark_and_quotes_are_understood(delimiter: str) -> None:
    text = "\n".join([HEADER, ROW.replace("A-1", '"A;1,x"')]).replace(";", delimiter).replace(f"A{delimiter}1", "A;1")
    (visit,) = csv_rows.read(b"\xef\xbb\xbf" + text.encode(), SALLA).visits
    assert visit.entry is not None
    assert visit.external_id == "A;1,x"


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-11-23T10:15:00+02:00", "2026-11-23T08:15:00+00:00"),
        ("2026-11-23T08:15:00Z", "2026-11-23T08:15:00+00:00"),
        ("23.11.2026 10.15", "2026-11-23T08:15:00+00:00"),
        ("23.7.2026 10:15", "2026-07-23T07:15:00+00:00"),
        ("2026-07-23 10:15:30", "2026-07-23T07:15:30+00:00"),
    ],
)
def test_times_are_finnish_wall_time_or_carry_their_offset(cell: str, moment: str) -> None:
    (visit,) = read(ROW.replace("2026-11-23 10:15", cell)).visits
    assert visit.entry is not None
    assert visit.entry.occurred_at == dt.datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("old", "new", "column", "code"),
    [
        ("2026-11-23 10:15", "yesterday", "occurred_at", "not_a_time"),
        ("2026-11-23 10:15", "2026-10-25 03:30", "occurred_at", "time_is_ambiguous"),
        ("2026-11-23 10:15", "2026-03-29 03:30", "occurred_at", "time_is_ambiguous"),
        (";1;12;", ";1,0;12;", "quantity", "not_a_whole_number"),
        (";1;12;", ";1.5;12;", "quantity", "not_a_whole_number"),
        (";1;12;", ";1;12 min;", "minutes", "not_a_whole_number"),
        ("kela", "", "authority_id", "missing"),
        ("A-1", "", "external_id", "external_id_missing"),
        ("kela", "k" * 201, "authority_id", "too_long"),
        (";sv", ";sv;more", "", "wrong_number_of_cells"),
    ],
)
def test_each_bad_cell_says_its_line_column_and_code(old: str, new: str, column: str, code: str) -> None:
    assert (2, column, code) in problems(ROW.replace(old, new))


def test_rows_of_one_visit_must_not_contradict_each_other() -> None:
    assert problems(ROW, ROW.replace("sv", "fi")) == [(3, "language", "visit_differs")]


def test_line_numbers_count_line_breaks_inside_cells_and_empty_lines() -> None:
    found = problems(ROW.replace("A-1", '"A\n1"'), "", ROW.replace(";1;", ";x;"))
    assert (2, "external_id", "external_id_missing") in found
    assert (5, "quantity", "not_a_whole_number") in found


def test_an_error_of_the_decider_is_placed_at_its_line_and_column() -> None:
    (visit,) = read(ROW, ROW.replace("asumistuki", "elakkeet")).visits
    errors = [FieldError("/acts/1/service", "unknown_service", "…"), FieldError("/occurred_at", "in_future", "…")]
    assert csv_rows.placed(visit, errors) == [
        Problem(3, "service", "unknown_service", "…"),
        Problem(2, "occurred_at", "in_future", "…"),
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (HEADER.encode(), "empty_file"),
        (HEADER.replace("external_id;", "").encode() + b"\n", "missing_column"),
        ((HEADER + ";colour\n" + ROW + ";red").encode(), "unknown_column"),
        ((HEADER + ";task\n" + ROW + ";advise").encode(), "repeated_column"),
        (b"\xff\xfe" + ROW.encode(), "not_utf8"),
        (b"PK\x03\x04\x00\x00", "malformed_csv"),
        ((HEADER + '\n"open').encode(), "malformed_csv"),
        ("\n".join([HEADER, *[ROW] * 20_001]).encode(), "too_many_rows"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(content: bytes, code: str) -> None:
    with pytest.raises(ApudiaariError) as caught:
        csv_rows.read(content, SALLA)
    assert caught.value.code == code


def test_the_columns_that_a_list_of_rejected_rows_adds_are_no_obstacle() -> None:
    (visit,) = read(ROW + ";2;quantity: …", header=HEADER + ";line;reason").visits
    assert visit.entry is not None
