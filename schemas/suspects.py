"""Which rows of a decoded slice the reader model must judge one by one.

The law: a row that is not a suspect is read by the reader model without an error and with the same values (for the
fields decoded; maps excepted). The reverse need not hold: a suspect costs time, never a wrong number. The mismatches
that Polars hides are found in three places: fractions and huge integers in the raw text, numbers that became strings
and lone values that became lists by their names or by what the strings look like, everything else by nulls, ranges,
lengths, patterns and formats of the model itself.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import NamedTuple

import polars as pl

from schemas.envelope import MAX_EVENT_BYTES, Attributes
from schemas.folded import ATTRIBUTES, as_text, folded_types
from schemas.shape import Node, shape, walk

FRACTION_OR_HUGE = r'"(?:\s|:\s*-?[0-9]+(?:[.eE]|[0-9]{15}))'
"""A white space after a name is a suspect too: then the other patterns of names would not see what follows."""
BARE_WORD = r"^(?:-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false)$"
"""A string that may have been a number or a truth value in the JSON."""
_DAY = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
FORMAT_PATTERNS = {
    "uuid": r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "date": f"^{_DAY}$",
    "moment": f"^{_DAY}T{_TIME}$",
}
DIGITS = r"^[0-9]{1,15}$"
FEW = 200
"""Distinct values of a column up to which they are tried one by one: of a code list, a few weeks' days, the points."""
_NUMBERS = ("7", "12", "732", "12345", "1.50", "12.345")


class Rule(NamedTuple):
    """What a string must be. ``least`` and ``most``: characters."""

    pattern: str
    is_day: bool
    may_be_number: bool
    least: int
    most: int


@dataclass(slots=True)
class _Walk:
    """What one walk over a slice has found: row numbers surely bad, and columns of strings still to be tried."""

    bad: list[pl.Series] = field(default_factory=list)
    strings: list[tuple[Node, pl.Series, pl.Series]] = field(default_factory=list)


def suspects(raw: Sequence[bytes] | pl.Series, frame: pl.DataFrame, area: str) -> pl.Series:
    """A mask over ``frame`` (made by :func:`schemas.folded.decode` from ``raw``): True where the reader must decide.

    A row of an unknown type is judged by its envelope alone. ``frame`` may hold fewer fields than the models.
    """
    return mask(raw, frame, _of_area(area))


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """What may stand on a topic: shape by type name, and the patterns of what only the raw text shows."""

    by_type: Mapping[str, Node]
    patterns: tuple[str, ...]


def shapes_of(by_type: Mapping[str, Node]) -> Shapes:
    """Make once, keep."""
    nodes = [(path.rsplit(".", 1)[-1], node) for shape in by_type.values() for path, node in walk(shape)]
    patterns = (FRACTION_OR_HUGE, _numeric_strings(nodes), _lone_values(nodes))
    return Shapes(by_type, tuple(filter(None, patterns)))


@cache
def _of_area(area: str) -> Shapes:
    return shapes_of({name: shape(model) for name, model in folded_types(area).items()})


def mask(raw: Sequence[bytes] | pl.Series, frame: pl.DataFrame, shapes: Shapes) -> pl.Series:
    """The same with any shapes; for old versions."""
    rows = pl.Series("row", range(frame.height), dtype=pl.UInt32)
    found = _Walk()
    text = as_text(raw)
    found.bad += [rows.filter(text.str.contains(pattern)) for pattern in shapes.patterns]
    found.bad.append(rows.filter(frame["data"].is_null()))
    found.bad.append(_null_places(text, frame, rows))
    _fields(_envelope_node(), frame, rows, found)
    present = frame["type"].unique().to_list()
    for name in present:
        if (node := shapes.by_type.get(name)) is None:
            continue
        if len(present) == 1:
            _value(node, frame["data"], rows, found)
        else:
            of_type = (frame["type"] == name).fill_null(False)
            _value(node, frame["data"].filter(of_type), rows.filter(of_type), found)
    _try_strings(found)
    return rows.is_in(pl.concat(found.bad).implode()).rename("suspect")


def _null_places(text: pl.Series, frame: pl.DataFrame, rows: pl.Series) -> pl.Series:
    """Places may be absent, as on a copy, but not null; the frame cannot tell one from the other."""
    if "places" not in frame.columns or not frame["places"].null_count():
        return rows.clear()
    absent = frame["places"].is_null()
    return rows.filter(absent).filter(text.filter(absent).str.contains(r'"places":\s*null'))


def _numeric_strings(nodes: Iterable[tuple[str, Node]]) -> str:
    """Finds a bare number where the model wants a string of digits, which looks the same once decoded."""
    names = {name for name, node in nodes if _numeric(node)}
    if not names:
        return ""
    alone = "|".join(sorted(name for name in names if not name.endswith("[]")))
    in_list = r"|[\[,]\s*[-0-9tf]" if any(name.endswith("[]") for name in names) else ""
    return rf'"(?:{alone})":\s*[-0-9tf]{in_list}'


def _lone_values(nodes: Iterable[tuple[str, Node]]) -> str:
    """Finds a lone value where the model wants a list of strings or numbers."""
    names = sorted(
        {name for name, node in nodes if node.item is not None and node.item.kind not in {"object", "array"}}
    )
    return rf'"(?:{"|".join(names)})":\s*[^\s\[n]' if names else ""


def _numeric(node: Node) -> bool:
    """Whether the model's own pattern is one of numbers: money, codes of digits."""
    pattern = str(node.bounds.get("pattern", ""))
    return bool(pattern) and any(re.search(pattern, n) for n in _NUMBERS) and not re.search(pattern, "abcd")


@cache
def _envelope_node() -> Node:
    """The attributes as the frame has them: all strings, ``places`` absent on a copy."""
    fields = {name: shape(Attributes).fields[name] for name in ATTRIBUTES}
    return Node(kind="object", fields={name: _as_string(node) for name, node in fields.items()})


def _as_string(node: Node) -> Node:
    if node.kind == "integer":
        return Node(kind="string", bounds={"pattern": DIGITS})
    return replace(node, nullable=not node.must)


def _fields(node: Node, frame: pl.DataFrame, rows: pl.Series, found: _Walk) -> None:
    for name, child in node.fields.items():
        if name in frame.columns:
            _value(child, frame[name], rows, found)


def _value(node: Node, values: pl.Series, rows: pl.Series, found: _Walk) -> None:
    """Note the row numbers of ``values`` that break ``node``; ``rows`` is their row numbers."""
    nulls = values.null_count()
    if nulls and not node.nullable:
        found.bad.append(rows.filter(values.is_null()))
    if nulls == len(values):
        return
    if nulls:
        present = values.is_not_null()
        values, rows = values.filter(present), rows.filter(present)
    if node.kind == "object":
        _fields(node, values.struct.unnest(), rows, found)
    elif node.kind == "array":
        _array(node, values, rows, found)
    elif node.kind == "integer":
        _between(values, node.bounds.get("ge"), node.bounds.get("le"), rows, found)
    elif node.kind == "string":
        found.strings.append((node, values, rows))


def _array(node: Node, values: pl.Series, rows: pl.Series, found: _Walk) -> None:
    assert node.item is not None
    lengths = values.list.len()
    _between(lengths, node.bounds.get("min_items"), node.bounds.get("max_items"), rows, found)
    flat = pl.DataFrame({"row": rows, "value": values}).filter(lengths > 0).explode("value")
    _value(node.item, flat["value"], flat["row"], found)


def _between(values: pl.Series, low: int | str | None, high: int | str | None, rows: pl.Series, found: _Walk) -> None:
    least, most = values.min(), values.max()
    if isinstance(low, int) and isinstance(least, int) and least < low:
        found.bad.append(rows.filter(values < low))
    if isinstance(high, int) and isinstance(most, int) and most > high:
        found.bad.append(rows.filter(values > high))


def _try_strings(found: _Walk) -> None:
    """Columns of few values ask the memory of :func:`_good`; the others go to Polars, in one query."""
    many: list[tuple[pl.Expr, pl.Series]] = []
    for node, values, rows in found.strings:
        rule, distinct = _rule(node), values.unique()
        if len(distinct) > FEW:
            many.append((_wrong(rule, pl.lit(values)), rows))
        elif refused := [value for value in distinct.to_list() if not _good(rule, value)]:
            found.bad.append(rows.filter(values.is_in(refused)))
    queries = [wrong.any().alias(str(number)) for number, (wrong, _) in enumerate(many)]
    for is_wrong, (wrong, rows) in zip(pl.select(queries).row(0) if many else (), many, strict=True):
        if is_wrong:
            found.bad.append(rows.filter(pl.select(wrong).to_series()))


def _rule(node: Node) -> Rule:
    return Rule(
        pattern=str(node.bounds.get("pattern") or FORMAT_PATTERNS.get(node.format, "")),
        is_day=node.format in {"date", "moment"},
        may_be_number=bool(node.format) or _numeric(node) or node.bounds.get("pattern") == DIGITS,
        least=int(node.bounds.get("min_length", 0)),
        most=int(node.bounds.get("max_length", MAX_EVENT_BYTES)),
    )


@lru_cache(maxsize=1 << 16)
def _good(rule: Rule, value: str) -> bool:
    """The rule for one value; :func:`_wrong` says the same to Polars, and a test compares them."""
    if rule.pattern and not re.fullmatch(rule.pattern, value):
        return False
    if not rule.may_be_number and re.fullmatch(BARE_WORD, value):
        return False
    return rule.least <= len(value) <= rule.most and (not rule.is_day or _is_day(value[:10]))


@lru_cache(maxsize=1 << 12)
def _is_day(text: str) -> bool:
    try:
        return bool(dt.date.fromisoformat(text))
    except ValueError:
        return False


def _wrong(rule: Rule, values: pl.Expr) -> pl.Expr:
    wrong = [~values.str.contains(rule.pattern)] if rule.pattern else []
    if not rule.may_be_number:
        wrong.append(values.str.contains(BARE_WORD))
    if rule.is_day:
        days = values.str.head(10).str.to_date("%Y-%m-%d", strict=False)
        wrong.append(days.is_null() | (days.dt.year() < 1))
    if rule.least or rule.most < MAX_EVENT_BYTES:
        wrong.append(~values.str.len_chars().is_between(rule.least, rule.most))
    return pl.any_horizontal(wrong)
