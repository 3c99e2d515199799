"""From a plan to SQL and back to rows. Set-based, every value bound, every identifier from our own lists.

One SELECT per cube, joined by UNION ALL over the same groups, so that measures of several cubes stand in one row
without being multiplied. Pages follow the key, not an offset: a figure that changes moves no page.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.access import Limit
from services.chassis.errors import FieldError, Invalid
from services.statistics.cubes import CUBES
from services.statistics.domain import (
    MEASURES,
    POINT_PARTS,
    Part,
    Question,
    authority_column,
    needed_by,
    refused,
)

STATEMENT_MS = 5_000
RANK = {name: rank for rank, name in enumerate(("visits_day", "acts_hour", "acts_day", "acts_month"))}
"""Which cube is smaller as long as the database has no estimate."""

PLACES = (
    "SELECT point, provider, municipality, region, "
    "CASE WHEN lag(point) OVER w IS NULL THEN '-infinity' ELSE effective_from END AS since, "
    "coalesce(lead(effective_from) OVER w, 'infinity') AS until FROM {schema}.points "
    "WINDOW w AS (PARTITION BY point ORDER BY effective_from)"
)
"""Each point's provider, municipality and region by the classification of the date (R38). The first one reaches back,
so that a month in whose middle a point opened has a place too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of plain values, dimensions first. ``following`` is the cursor of the next page, or None."""

    columns: tuple[str, ...]
    rows: list[list[Any]]
    following: str | None


@dataclass(slots=True)
class _Query:
    """The text under construction and its bound values."""

    schema: str
    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"


async def sizes(connection: AsyncConnection, schema: str) -> dict[str, int]:
    """Estimated rows per cube, by the database's own statistics."""
    rows = await connection.execute(
        text(
            "SELECT relname, reltuples::bigint AS rows FROM pg_class "
            "WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind = 'r'"
        ),
        {"schema": schema},
    )
    return {row.relname: row.rows for row in rows}


def by_size(estimates: Mapping[str, int]) -> Callable[[str], int]:
    """Rows of a cube for the planner; while the database has no estimate, the usual order of sizes."""
    return lambda cube: max(estimates.get(cube, 0), RANK.get(cube, len(RANK)) + 1)


async def prepare(connection: AsyncConnection) -> None:
    """Bound the transaction's questions in time, and let them group in memory."""
    await connection.execute(
        text(
            "SELECT set_config('jit', 'off', true), set_config('work_mem', '64MB', true), "
            f"set_config('statement_timeout', '{STATEMENT_MS}', true)"
        )
    )


async def ask(
    connection: AsyncConnection,
    schema: str,
    question: Question,
    parts: Sequence[Part],
    limits: Sequence[Limit],
    *,
    after: str | None = None,
    limit: int,
) -> Answer:
    """Run a planned question. ``limits`` are alternatives; one that sets no condition lets everything through."""
    query = _Query(schema)
    statement = _statement(query, question, parts, limits, after, limit)
    found = (await connection.execute(text(statement), query.values)).all()
    keys = len(question.by)
    following = _cursor(found[limit - 1][:keys]) if len(found) > limit else None
    rows = [_row(question, row[keys:]) for row in found[:limit]]
    return Answer((*question.by, *question.measures), rows, following)


def _statement(
    query: _Query,
    question: Question,
    parts: Sequence[Part],
    limits: Sequence[Limit],
    after: str | None,
    limit: int,
) -> str:
    selects = [_select(query, question, part, limits) for part in parts]
    names = [f"d{number}" for number in range(len(question.by))]
    keys = [_sort_text(dimension, name) for dimension, name in zip(question.by, names, strict=True)]
    sums = [_outer(number, code) for number, code in enumerate(question.measures)]
    grouped = f"GROUP BY {', '.join(names)} HAVING {_anything(question)}" if names else ""
    parts_of = f"SELECT {', '.join([*names, *sums])} FROM ({' UNION ALL '.join(selects)}) AS u {grouped}"
    shown = [*(f"{key} AS k{number}" for number, key in enumerate(keys)), "g.*"]
    where = _following(query, keys, after)
    order = f"ORDER BY {', '.join(f'k{number}' for number in range(len(keys)))}" if keys else ""
    return (
        f"WITH places AS MATERIALIZED ({PLACES.format(schema=query.schema)}) "
        f"SELECT {', '.join(shown)} FROM ({parts_of}) AS g {where} {order} LIMIT {limit + 1:d}"
    )


def _select(query: _Query, question: Question, part: Part, limits: Sequence[Limit]) -> str:
    """One cube's groups; measures of other cubes are null in it."""
    shown = [f"{_dimension(part.cube, name)} AS d{number}" for number, name in enumerate(question.by)]
    for number, code in enumerate(question.measures):
        measure = MEASURES[code]
        mine = code in part.measures
        shown.append(f"{f'sum(c.{measure.expression})' if mine else 'NULL::numeric'} AS m{number}")
        if measure.known_by:
            shown.append(f"{f'sum(c.{measure.known_by})' if mine else 'NULL::numeric'} AS n{number}")
    conditions = [*_period(query, part.cube, question), *_filters(query, part.cube, question)]
    conditions += _reach(query, part, limits)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    grouped = f" GROUP BY {', '.join(str(n + 1) for n in range(len(question.by)))}" if question.by else ""
    return f"SELECT {', '.join(shown)} FROM {_source(query, question, part, limits)}{where}{grouped}"


def _source(query: _Query, question: Question, part: Part, limits: Sequence[Limit]) -> str:
    """The cube, with places and families where the question needs them."""
    needed = question.dimensions.union(*(needed_by(limit, part.measures[0]) for limit in limits))
    own = CUBES[part.cube][0]
    joins = f"{query.schema}.{part.cube} AS c"
    if needed.intersection(POINT_PARTS) - own.keys():
        when = _time(part.cube)
        joins += f" LEFT JOIN places AS l ON l.point = c.point AND l.since <= {when} AND {when} < l.until"
    if "authority_family" in needed:
        joins += f" LEFT JOIN {query.schema}.parties AS f ON f.party = c.authority"
    return joins


def _time(cube: str) -> str:
    return "c.day" if "day" in CUBES[cube][0] else "c.month"


def _dimension(cube: str, name: str) -> str:
    """The expression of a dimension over a cube ``c``, its places ``l`` and families ``f``."""
    if name in CUBES[cube][0]:
        return f"c.{name}"
    if name in POINT_PARTS:
        return f"l.{name}"
    if name == "authority_family":
        return "f.family"
    return {
        "month": "date_trunc('month', c.day::timestamp)::date",
        "year": f"extract(year FROM {_time(cube)})::integer",
        "weekday": f"extract(isodow FROM {_time(cube)})::integer",
    }[name]


def _period(query: _Query, cube: str, question: Question) -> list[str]:
    when, found = _time(cube), []
    first, last = question.first, question.last
    if first is not None:
        found.append(f"{when} >= {query.bind(first)}")
    if last is not None:
        found.append(f"{when} <= {query.bind(last)}")
    return found


def _filters(query: _Query, cube: str, question: Question) -> list[str]:
    return [
        f"{_dimension(cube, name)} = ANY({query.bind([_typed(name, value) for value in values])})"
        for name, values in question.filters.items()
    ]


def _typed(name: str, value: str) -> Any:
    """A value of the query string as the cube holds it."""
    if name == "month":
        return dt.date.fromisoformat(f"{value}-01")
    if name == "day":
        return dt.date.fromisoformat(value)
    if name in {"year", "weekday", "hour"}:
        return int(value)
    return value == "true" if name == "late" else value


def _reach(query: _Query, part: Part, limits: Sequence[Limit]) -> list[str]:
    """The rows that at least one limit lets through; no limit lets nothing through."""
    if any(limit.everything for limit in limits):
        return []
    alternatives = [" AND ".join(_conditions(query, part, limit)) for limit in limits]
    return [f"({' OR '.join(f'({each})' for each in alternatives)})"] if alternatives else ["false"]


def _conditions(query: _Query, part: Part, limit: Limit) -> list[str]:
    found = []
    if limit.points is not None:
        found.append(f"c.point = ANY({query.bind(sorted(limit.points))})")
    if limit.provider_id is not None:
        found.append(f"{_dimension(part.cube, 'provider')} = {query.bind(limit.provider_id)}")
    if limit.authority_id is not None:
        found.append(f"c.{authority_column(part.measures[0])} = {query.bind(limit.authority_id)}")
    return found or ["false"]


def _outer(number: int, code: str) -> str:
    total = f"coalesce(sum(m{number}), 0)"
    if MEASURES[code].known_by:
        return f"CASE WHEN sum(n{number}) > 0 THEN {total}::bigint END AS m{number}"
    return f"{total}::bigint AS m{number}"


def _anything(question: Question) -> str:
    """A group in which nothing remains is no row."""
    return " OR ".join(f"sum(m{number}) <> 0" for number in range(len(question.measures)))


def _sort_text(dimension: str, name: str) -> str:
    """The dimension as a text that sorts; what is not known comes first."""
    value = f"lpad({name}::text, 2, '0')" if dimension == "hour" else f"{name}::text"
    return f"coalesce({value}, '') COLLATE \"C\""


def _following(query: _Query, keys: Sequence[str], after: str | None) -> str:
    if after is None:
        return ""
    seen = _seen(after, len(keys))
    bound = ", ".join(f"CAST({query.bind(value)} AS text)" for value in seen)
    return f"WHERE ({', '.join(keys)}) > ({bound})"


def _cursor(keys: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(keys))).decode().rstrip("=")


def _seen(after: str, count: int) -> list[str]:
    """The key after which the page begins."""
    try:
        seen = orjson.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except (ValueError, binascii.Error):
        seen = None
    if not isinstance(seen, list) or len(seen) != count or not count or not all(isinstance(each, str) for each in seen):
        detail = "The cursor is not one of this question's; ask again without it."
        raise Invalid("invalid_cursor", detail, pointer="/query/after")
    return seen


def _row(question: Question, values: Sequence[Any]) -> list[Any]:
    keys = [_shown(name, value) for name, value in zip(question.by, values, strict=False)]
    counts = values[len(keys) :]
    return keys + [
        money(count) if MEASURES[code].money else count for code, count in zip(question.measures, counts, strict=True)
    ]


def _shown(name: str, value: Any) -> Any:
    if name == "month":
        return f"{value:%Y-%m}"
    return value.isoformat() if isinstance(value, dt.date) else value


def money(cents: int) -> str:
    """Cents as the wire form of euros: ``-12.05``."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


_KNOWN = {
    "point": "SELECT point FROM {schema}.points",
    "provider": "SELECT party FROM {schema}.parties",
    "payer": "SELECT party FROM {schema}.parties",
    "authority": "SELECT party FROM {schema}.parties",
    "authority_family": "SELECT family FROM {schema}.parties",
    "service": "SELECT service FROM {schema}.services",
}


async def check_registered(connection: AsyncConnection, schema: str, question: Question) -> None:
    """Raise ``unknown_value`` for an authority, point or service that the register does not know."""
    faults = []
    for name, known in _KNOWN.items():
        for value in await _strangers(connection, known.format(schema=schema), question.filters.get(name, ())):
            detail = f"The register has no {name} {value!r}. See the agreements service for those it has."
            faults.append(FieldError(f"/query/{name}", "unknown_value", detail))
    if faults:
        raise refused(faults)


async def _strangers(connection: AsyncConnection, known: str, values: Sequence[str]) -> list[str]:
    if not values:
        return []
    rows = await connection.execute(
        text(f"SELECT v FROM unnest(CAST(:values AS text[])) AS v WHERE v NOT IN ({known})"), {"values": list(values)}
    )
    return [row.v for row in rows]
