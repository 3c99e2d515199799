"""A CSV file of visits, read into visits and into what is wrong with each row. Pure.

Laws: rows with the same ``external_id`` are the acts of one visit and say the same of it; a visit is taken whole or not
at all, so one bad row holds back its siblings. Cells are read as they stand: none is guessed into another type, and
``1,0`` is no number.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from services.chassis.clock import HELSINKI
from services.chassis.errors import FieldError, Invalid
from services.diary.domain.entries import ImportVisit

MAX_ROWS = 20_000
MAX_CELL = 200
REQUIRED = ("external_id", "occurred_at", "authority_id", "service", "task", "channel")
OF_VISIT = ("service_point_id", "occurred_at", "customers", "language", "language_asked", "place", "late_reason")
OF_ACT = ("authority_id", "service", "task", "channel", "quantity", "minutes", "performed_by")
NUMBERS = frozenset({"customers", "quantity", "minutes"})
COLUMNS = ("external_id", *OF_VISIT, *OF_ACT)
ADDED = ("line", "reason")
"""Columns that our own list of rejected rows adds; ignored when it comes back mended."""

_EXTERNAL_ID = re.compile(r"[^\s\x00-\x1f](?:[^\x00-\x1f]{0,78}[^\s\x00-\x1f])?")
_LOCAL_TIMES = (
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%d.%m.%Y %H.%M",
    "%d.%m.%Y %H:%M",
)


class Problem(NamedTuple):
    """What is wrong with one cell; ``column`` is empty when it is the row."""

    line: int
    column: str
    code: str
    detail: str


@dataclass(slots=True)
class Row:
    """One line of the file; ``line`` counts from 1, the header included."""

    line: int
    cells: dict[str, str]


@dataclass(slots=True)
class VisitRows:
    """The rows of one visit, what they say, and what is wrong with them."""

    external_id: str
    rows: list[Row]
    entry: ImportVisit | None = None
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Table:
    """A file that can be read: its columns as they came, and its visits in the order of their first rows."""

    columns: tuple[str, ...]
    visits: list[VisitRows]
    rows: int


def read(content: bytes, service_point_id: str | None) -> Table:
    """Read a file. ``service_point_id`` is the point where no column says another.

    Raises Invalid for a file that cannot be read at all: ``not_utf8``, ``malformed_csv``, ``empty_file``,
    ``missing_column``, ``unknown_column``, ``repeated_column``, ``too_many_rows``.
    """
    text = _decoded(content)
    header, lines = _lines(text)
    columns = _columns(header)
    found: dict[str, VisitRows] = {}
    broken: list[VisitRows] = []
    for line, cells in lines:
        row, problem = _row(line, columns, cells)
        if problem is not None:
            broken.append(VisitRows(row.cells.get("external_id", ""), [row], problems=[problem]))
            continue
        found.setdefault(row.cells["external_id"], VisitRows(row.cells["external_id"], [])).rows.append(row)
    visits = [*found.values(), *broken]
    for visit in found.values():
        _understand(visit, service_point_id)
    if not visits:
        raise Invalid("empty_file", "The file has no rows under its header.")
    return Table(columns, visits, sum(len(visit.rows) for visit in visits))


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = f"Byte {error.start} is not UTF-8. Save the file as CSV UTF-8 and send it again."
        raise Invalid("not_utf8", detail) from error
    if "\x00" in text:
        raise Invalid("malformed_csv", "The file holds binary data; send it as CSV text.")
    return text


def _lines(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and every row that is not empty with the line it begins on."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(";\t,", key=first.count) if any(each in first for each in ";\t,") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((begins, cells))
            begins = reader.line_num + 1
            if len(rows) > MAX_ROWS + 1:
                raise Invalid("too_many_rows", f"A file has at most {MAX_ROWS} rows. Send it in parts.", 413)
    except csv.Error as error:
        raise Invalid("malformed_csv", f"Line {reader.line_num}: {error}.") from error
    if not rows:
        raise Invalid("empty_file", "The file is empty.")
    return rows[0][1], rows[1:]


def _columns(header: Sequence[str]) -> tuple[str, ...]:
    columns = tuple(name.strip().lower() for name in header)
    if missing := [name for name in REQUIRED if name not in columns]:
        raise Invalid("missing_column", f"The header has no column {', '.join(missing)}.")
    if unknown := [name for name in columns if name not in COLUMNS + ADDED]:
        detail = f"Unknown column {', '.join(unknown)[:200]}; known: {', '.join(COLUMNS)}."
        raise Invalid("unknown_column", detail)
    if len(set(columns)) != len(columns):
        raise Invalid("repeated_column", "A column stands twice in the header.")
    return columns


def _row(line: int, columns: tuple[str, ...], cells: Sequence[str]) -> tuple[Row, Problem | None]:
    row = Row(line, {name: cell.strip() for name, cell in zip(columns, cells, strict=False)})
    if len(cells) != len(columns):
        detail = f"The row has {len(cells)} cells, the header {len(columns)}."
        return row, Problem(line, "", "wrong_number_of_cells", detail)
    long = next((name for name in COLUMNS if len(row.cells.get(name, "")) > MAX_CELL), None)
    if long is not None:
        return row, Problem(line, long, "too_long", f"A cell has at most {MAX_CELL} characters.")
    if not _EXTERNAL_ID.fullmatch(row.cells["external_id"]):
        return row, Problem(
            line, "external_id", "external_id_missing", "Each row names its visit in 1 to 80 characters."
        )
    return row, None


def _understand(visit: VisitRows, service_point_id: str | None) -> None:
    """Make the entry, or say what is wrong."""
    first = visit.rows[0]
    for row in visit.rows[1:]:
        for name in OF_VISIT:
            if row.cells.get(name, "") != first.cells.get(name, ""):
                detail = f"The rows of one visit say the same of it; line {first.line} says otherwise."
                visit.problems.append(Problem(row.line, name, "visit_differs", detail))
    body = {name: _value(visit, first, name) for name in OF_VISIT}
    body["occurred_at"] = _moment(visit, first)
    body["service_point_id"] = body["service_point_id"] or service_point_id
    body["acts"] = [_present({name: _value(visit, row, name) for name in OF_ACT}) for row in visit.rows]
    if visit.problems:
        return
    try:
        visit.entry = ImportVisit.model_validate(_present(body))
    except ValidationError as error:
        errors = [FieldError(pointer(each["loc"]), each["type"], each["msg"]) for each in error.errors()]
        visit.problems += placed(visit, errors)


def _value(visit: VisitRows, row: Row, name: str) -> Any:
    """A cell as text, or as a whole number where one belongs; None where it is empty."""
    cell = row.cells.get(name, "")
    if not cell or name not in NUMBERS:
        return cell or None
    if not re.fullmatch(r"-?[0-9]{1,9}", cell):
        visit.problems.append(Problem(row.line, name, "not_a_whole_number", "Write a whole number in digits."))
        return None
    return int(cell)


def _moment(visit: VisitRows, row: Row) -> dt.datetime | None:
    """RFC 3339 with its offset, or a local Finnish time that happens once."""
    cell = row.cells.get("occurred_at", "")
    for pattern in _LOCAL_TIMES:
        try:
            local = dt.datetime.strptime(cell, pattern)  # noqa: DTZ007  # The zone follows.
        except ValueError:
            continue
        return _in_helsinki(visit, row, local)
    try:
        moment = dt.datetime.fromisoformat(cell)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        detail = "Write 2026-11-24T10:15:00+02:00, 2026-11-24 10:15 or 24.11.2026 10.15."
        visit.problems.append(Problem(row.line, "occurred_at", "not_a_time", detail))
        return None
    return moment


def _in_helsinki(visit: VisitRows, row: Row, local: dt.datetime) -> dt.datetime | None:
    """A wall-clock time is refused in the hour that happens twice, or never."""
    early, late = (local.replace(tzinfo=HELSINKI, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        detail = "The clocks change in this hour: write the time with its offset, such as 03:30+02:00."
        visit.problems.append(Problem(row.line, "occurred_at", "time_is_ambiguous", detail))
        return None
    return early


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def pointer(loc: Sequence[str | int]) -> str:
    """A place in the entry as a JSON Pointer."""
    return "".join(f"/{part}" for part in loc)


def placed(visit: VisitRows, errors: Sequence[FieldError]) -> list[Problem]:
    """Errors in an entry as problems of lines and columns: ``/acts/1/quantity`` is of the visit's second row."""
    problems = []
    for error in errors:
        parts = error.pointer.strip("/").split("/")
        row = visit.rows[0]
        if parts[0] == "acts" and len(parts) > 1 and parts[1].isdigit():
            row = visit.rows[int(parts[1])]
        column = parts[-1] if parts[-1] in COLUMNS else ""
        problems.append(Problem(row.line, column, error.code, error.detail))
    return problems
