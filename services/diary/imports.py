"""CSV imports: a report in which every rejected row says why, and can be mended and sent again.

Accepted visits are recorded through the same deciders, in batches; their ids follow from point and ``external_id``, so
sending a file again records nothing twice: what was accepted before is *repeated*, what was mended is new.
"""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import hashlib
import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis import clock, ids
from services.chassis.access import Principal
from services.chassis.db import Database
from services.chassis.errors import ApudiaariError, FieldError
from services.chassis.log import Outcome, Writer
from services.chassis.log.append import Result
from services.chassis.log.writer import MAX_BATCH
from services.diary import handlers, metrics
from services.diary.domain import csv_rows
from services.diary.domain.csv_rows import Problem, Table, VisitRows

MAX_FILE_BYTES = 5 * 1024 * 1024
HELD_BACK = ("", "held_back", "Another row of the same visit was rejected; a visit is taken whole.")
Report = dict[str, Any]


async def run(
    writer: Writer, database: Database, principal: Principal, point: tuple[str, str], import_id: UUID, content: bytes,
    recorder: str,
) -> Report:  # fmt: skip
    """Read a file, record what can be recorded, keep and return the report. ``point``: its id and its provider."""
    table = await asyncio.to_thread(csv_rows.read, content, point[0])
    counts = await _record(writer, principal, table)
    rejected = [visit for visit in table.visits if visit.problems]
    report = _report(import_id, point[0], table, counts, rejected)
    for outcome in ("recorded", "repeated", "rejected"):
        metrics.IMPORT_ROWS.labels(outcome).inc(report["rows"][outcome])
    await _keep(database, report, table, rejected, point, recorder, content)
    return report


async def _record(writer: Writer, principal: Principal, table: Table) -> dict[str, int]:
    """Rows by outcome. What a decider refuses becomes a problem of its row."""
    ready = [visit for visit in table.visits if visit.entry is not None]
    counts = {"recorded": 0, "repeated": 0}
    for start in range(0, len(ready), MAX_BATCH):
        batch = ready[start : start + MAX_BATCH]
        results = await writer.append([_command(visit, principal) for visit in batch])
        for visit, result in zip(batch, results, strict=True):
            _take(visit, result, counts)
    return counts


def _command(visit: VisitRows, principal: Principal) -> Any:
    assert visit.entry is not None
    visit_id = ids.imported_visit_id(visit.entry.service_point_id, visit.external_id)
    return handlers.visit_command(visit_id, visit.entry, principal)


def _take(visit: VisitRows, result: Result, counts: dict[str, int]) -> None:
    if isinstance(result, Outcome):
        counts["repeated" if result.repeated else "recorded"] += len(visit.rows)
        return
    errors = result.errors or (FieldError("", result.code, result.detail),)
    if result.code == "id_reused":
        detail = "This external_id was recorded before with other content. Correct that visit, or use another id."
        errors = (FieldError("/external_id", "external_id_reused", detail),)
    visit.problems += csv_rows.placed(visit, errors)


def _report(
    import_id: UUID, service_point_id: str, table: Table, counts: dict[str, int], rejected: Sequence[VisitRows]
) -> Report:
    held = sum(len(visit.rows) for visit in rejected)
    return {
        "import_id": str(import_id),
        "service_point_id": service_point_id,
        "rows": {"read": table.rows, **counts, "rejected": held},
        "visits": {"read": len(table.visits), "rejected": len(rejected)},
        "rejected": [_told(visit, problem) for visit in rejected for problem in _problems(visit)],
        "rejected_csv": f"/api/imports/{import_id}/rejected.csv" if rejected else None,
    }


def _problems(visit: VisitRows) -> list[Problem]:
    """The problems of a visit by line; rows that are right themselves are held back with it."""
    wrong = {problem.line for problem in visit.problems}
    held = [Problem(row.line, *HELD_BACK) for row in visit.rows if row.line not in wrong]
    return sorted([*visit.problems, *held])


def _told(visit: VisitRows, problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "external_id": visit.external_id, **dict(list(problem._asdict().items())[1:])}


# Keeping the report.

_REPORT = text(
    "INSERT INTO read.imports (import_id, service_point_id, provider_id, recorder, content_sha256, imported_at, "
    "report) VALUES (:import_id, :service_point_id, :provider_id, :recorder, :content_sha256, :imported_at, "
    "CAST(:report AS jsonb))"
)
_REJECTIONS = text(
    "INSERT INTO private.import_rejections (import_id, line, problems, cells) SELECT :import_id, line, problems, "
    "ARRAY(SELECT jsonb_array_elements_text(cells)) FROM unnest(CAST(:line AS int[]), CAST(:problems AS jsonb[]), "
    "CAST(:cells AS jsonb[])) AS t (line, problems, cells)"
)


async def _keep(
    database: Database,
    report: Report,
    table: Table,
    rejected: Sequence[VisitRows],
    point: tuple[str, str],
    recorder: str,
    content: bytes,
) -> None:
    kept = {name: value for name, value in report.items() if name != "rejected"}
    values = {
        "import_id": UUID(report["import_id"]),
        "service_point_id": point[0],
        "provider_id": point[1],
        "recorder": recorder,
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "imported_at": clock.now(),
        "report": orjson.dumps(
            {**kept, "columns": [name for name in table.columns if name in csv_rows.COLUMNS]}
        ).decode(),
    }
    async with database.transaction() as connection:
        await connection.execute(_REPORT, values)
        if rejected:
            await connection.execute(_REJECTIONS, _rejections(values["import_id"], table, rejected))


def _rejections(import_id: object, table: Table, rejected: Sequence[VisitRows]) -> dict[str, Any]:
    columns = [name for name in table.columns if name in csv_rows.COLUMNS]
    lines, problems, cells = [], [], []
    for visit in rejected:
        told = _problems(visit)
        for row in visit.rows:
            lines.append(row.line)
            own = [_told(visit, problem) for problem in told if problem.line == row.line]
            problems.append(orjson.dumps(own).decode())
            cells.append(orjson.dumps([row.cells.get(name, "") for name in columns]).decode())
    return {"import_id": import_id, "line": lines, "problems": problems, "cells": cells}


async def stored(connection: AsyncConnection, import_id: UUID) -> Any:
    """Row (service_point_id, provider_id, recorder, content_sha256, imported_at, report), or None."""
    statement = text(
        "SELECT service_point_id, provider_id, recorder, content_sha256, imported_at, report FROM read.imports "
        "WHERE import_id = :id"
    )
    return (await connection.execute(statement, {"id": import_id})).first()


async def rejections(connection: AsyncConnection, import_id: UUID) -> Sequence[Any]:
    """Rows (line, problems, cells) in the order of the file."""
    statement = text("SELECT line, problems, cells FROM private.import_rejections WHERE import_id = :id ORDER BY line")
    return (await connection.execute(statement, {"id": import_id})).all()


def shown(row: Any, rejected: Sequence[Any]) -> Report:
    """The report as it was answered first."""
    told = [problem for each in rejected for problem in each.problems]
    kept = {name: value for name, value in row.report.items() if name != "columns"}
    return {**kept, "rejected": told, "imported_at": row.imported_at.astimezone(dt.UTC).isoformat()}


def rejected_csv(row: Any, rejected: Sequence[Any]) -> bytes:
    """The rejected rows as they came, each with its line and the reason: mend them and send the file as it is."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow([*row.report["columns"], *csv_rows.ADDED])
    for each in rejected:
        reason = " | ".join(f"{p['column']}: {p['detail']}".strip(": ") for p in each.problems)
        writer.writerow([*each.cells, each.line, reason])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def too_large() -> ApudiaariError:
    """The file is over its limit."""
    return ApudiaariError("too_large", f"A file has at most {MAX_FILE_BYTES // 1024 // 1024} MiB.", status=413)
