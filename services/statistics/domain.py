"""What may be asked of the cubes. Pure: a question is checked against the definitions and planned, or refused.

Laws:
- A measure is read from one cube, chosen as the smallest that has every dimension the question needs. What no cube has
  is not defined, and is refused with what to ask instead; it is never put together from parts that do not add up.
- Visits do not add up over acts (R11): a visit with acts for two authorities is one visit. Visits *with an act for* an
  authority are counted for each authority apart, so they are answered only by authority or for a single one.
- Access is a condition like any other (R36): what a role may not see is a filter that the cube must be able to apply.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from services.chassis.access import Limit
from services.chassis.errors import FieldError, Forbidden, Invalid
from services.chassis.reference.municipalities import municipalities, regions
from services.statistics.cubes import CUBES

DEFINITIONS_VERSION = 1
"""Raised when the meaning of a measure changes; it stands in every answer (S5)."""
MAX_CELLS = 10_000
MAX_BY = 6
MAX_VALUES = 60
PAGE_ROWS = 1_000

POINT_PARTS = ("municipality", "region", "provider")
DAY_PARTS = ("month", "year", "weekday")
MONTH_PARTS = ("year",)

TASKS = (
    "identify", "advise", "appoint", "receive_document", "hand_out", "collect_fee", "support", "sell", "mandate",
    "start_matter",
)  # fmt: skip
CODES: Mapping[str, tuple[str, ...]] = {
    "task": TASKS,
    "channel": ("counter", "phone", "remote", "home_visit", "post", "drop_box"),
    "language": ("fi", "sv", "en", "se", "other"),
    "language_asked": ("fi", "sv", "en", "se", "other", "not_recorded"),
    "place": ("point", "home", "phone", "link"),
    "performed_by": ("adviser", "own_staff", "remote_expert"),
    "coverage": ("in_force", "outside_scope", "none", "own"),
    "late": ("true", "false"),
}
"""Dimensions whose values are a published code list."""
DIMENSIONS = (
    "day", "month", "year", "weekday", "hour", "point", "municipality", "region", "provider", "authority",
    "authority_family", "payer", "service", *CODES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measure:
    """A published definition. ``expression`` sums over the cells of ``cubes``; ``scale`` 100 makes euros of cents.

    needs: a dimension that must be asked by, or be held to one value. instead: what to ask when a pair is not defined.
    known_by: a count; where it is zero the measure was *not recorded* and is null, not 0 (S10).
    """

    code: str
    cubes: tuple[str, ...]
    expression: str
    instead: str
    needs: str | None = None
    known_by: str | None = None
    money: bool = False


_OF_ACTS = "visits are counted by place and language; ask visits, customers or visits_with_authority for those"
_OF_VISITS = (
    "a visit may hold several acts, so visits do not add up by this; ask acts, or visits_with_authority by authority"
)
MEASURES: Mapping[str, Measure] = {
    measure.code: measure
    for measure in (
        Measure("acts", ("acts_month", "acts_day", "acts_hour"), "acts", _OF_ACTS),
        Measure("quantity", ("acts_month", "acts_day"), "quantity", "quantity is not kept by hour; ask acts by hour"),
        Measure("minutes", ("acts_month",), "minutes", "minutes are kept by month; ask by month", known_by="timed"),
        Measure("acts_with_minutes", ("acts_month",), "timed", "minutes are kept by month; ask by month"),
        Measure("visits", ("visits_day",), "visits", _OF_VISITS),
        Measure("customers", ("visits_day",), "customers", _OF_VISITS),
        Measure(
            "visits_with_authority",
            ("acts_day",),
            "visits",
            "ask it by authority, with day, month, point or municipality",
            needs="authority",
        ),
        Measure("documents", ("documents_day",), "received", "ask documents by day, point or authority"),
        Measure("documents_forwarded", ("documents_day",), "forwarded", "ask it by day, point or authority"),
        Measure(
            "compensation",
            ("compensation_month",),
            "cents",
            "compensation is invoiced per provider, authority, payer and month of service; ask by those",
            money=True,
        ),
        Measure(
            "credited",
            ("compensation_month",),
            "credited_cents",
            "credits are per provider, authority, payer and month of service; ask by those",
            money=True,
        ),
        Measure("invoices", ("invoices_month",), "invoices", "ask invoices by month, provider or payer"),
        Measure("credit_notes", ("invoices_month",), "credit_notes", "ask credit_notes by month, provider or payer"),
    )
}


@dataclass(frozen=True, slots=True)
class Question:
    """A checked question. ``filters``: dimension → accepted values; ``first`` and ``last``: days, both included."""

    measures: tuple[str, ...]
    by: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    first: dt.date | None = None
    last: dt.date | None = None

    @property
    def dimensions(self) -> frozenset[str]:
        """Everything that a cube must tell apart to answer."""
        return frozenset(self.by) | frozenset(self.filters)

    @property
    def whole_months(self) -> bool:
        """Whether the period begins and ends with a month, so that cubes by month can answer."""
        begins = self.first is None or self.first.day == 1
        ends = self.last is None or self.last.day == calendar.monthrange(self.last.year, self.last.month)[1]
        return begins and ends


@dataclass(frozen=True, slots=True)
class Part:
    """What is read from one cube."""

    cube: str
    measures: tuple[str, ...]


def can_tell(cube: str) -> frozenset[str]:
    """The dimensions that a cube has, its own and those that follow from them."""
    own = set(CUBES[cube][0])
    if "point" in own:
        own.update(POINT_PARTS)
    if "authority" in own:
        own.add("authority_family")
    own.update(DAY_PARTS if "day" in own else MONTH_PARTS)
    return frozenset(own)


def dimensions_of(measure: str) -> frozenset[str]:
    """The dimensions by which a measure is defined, each by itself."""
    found: frozenset[str] = frozenset().union(*(can_tell(cube) for cube in MEASURES[measure].cubes))
    return found - {"authority_family"} if MEASURES[measure].needs else found


def needed_by(limit: Limit, measure: str) -> frozenset[str]:
    """The dimensions by which a limit of access is applied. Compensation concerns who pays it, as its invoice does."""
    needed = set()
    if limit.points is not None:
        needed.add("point")
    if limit.provider_id is not None:
        needed.add("provider")
    if limit.authority_id is not None:
        needed.add(authority_column(measure))
    return frozenset(needed)


def check_reach(question: Question, limits: Sequence[Limit]) -> None:
    """Refuse a question about what lies wholly beyond the asker's reach: an empty answer would look like a zero."""
    if not any(_meets(question, limit) for limit in limits):
        raise Forbidden("beyond_reach", "The question is about what your role or organisation does not reach.")


def _meets(question: Question, limit: Limit) -> bool:
    """Whether the limit leaves anything of the question."""
    points, authorities = question.filters.get("point"), question.filters.get("authority")
    providers = question.filters.get("provider")
    return (
        (limit.points is None or points is None or bool(limit.points.intersection(points)))
        and (limit.authority_id is None or authorities is None or limit.authority_id in authorities)
        and (limit.provider_id is None or providers is None or limit.provider_id in providers)
    )


def authority_column(measure: str) -> str:
    """By which dimension a measure belongs to an authority."""
    return "payer" if MEASURES[measure].cubes[0] in {"compensation_month", "invoices_month"} else "authority"


def plan(question: Question, limits: Sequence[Limit], size: Callable[[str], int]) -> tuple[Part, ...]:
    """Which cube answers which measure, so that the fewest rows are read. ``size`` gives the rows of a cube.

    Raises ``measure_not_defined_by`` or ``measure_beyond_reach``, each naming the measure and what to ask instead.
    """
    able = [_cubes_for(question, measure, limits) for measure in question.measures]
    chosen = min(product(*able), key=lambda cubes: (sum(map(size, set(cubes))), len(set(cubes))))
    parts: dict[str, list[str]] = {}
    for measure, cube in zip(question.measures, chosen, strict=True):
        parts.setdefault(cube, []).append(measure)
    return tuple(Part(cube, tuple(measures)) for cube, measures in parts.items())


def _cubes_for(question: Question, code: str, limits: Sequence[Limit]) -> list[str]:
    """The cubes that can answer one measure within the limits."""
    measure = MEASURES[code]
    _check_needs(question, measure, limits)
    able = [cube for cube in measure.cubes if question.dimensions <= can_tell(cube) and _in_time(cube, question)]
    if not able:
        raise _not_defined(question, measure)
    needed = frozenset().union(*(needed_by(limit, code) for limit in limits))
    permitted = [cube for cube in able if needed <= can_tell(cube)]
    if not permitted:
        raise Forbidden(
            "measure_beyond_reach",
            f"{code} cannot be told apart by what you may see; {measure.instead}.",
            pointer="/query/measures",
        )
    return permitted


def _in_time(cube: str, question: Question) -> bool:
    return "day" in CUBES[cube][0] or question.whole_months


def _check_needs(question: Question, measure: Measure, limits: Sequence[Limit]) -> None:
    """A measure that does not add up over a dimension must be asked by it, or for one of its values."""
    if measure.needs is None or measure.needs in question.by or len(question.filters.get(measure.needs, ())) == 1:
        return
    owners = {limit.authority_id for limit in limits}
    if None in owners or len(owners) != 1:
        raise _not_defined(question, measure)


def _not_defined(question: Question, measure: Measure) -> Invalid:
    missing = sorted(question.dimensions - dimensions_of(measure.code))
    if missing:
        what = f"by {', '.join(missing)}"
    elif question.whole_months:
        what = f"by {', '.join(sorted(question.dimensions)) or 'nothing'} together"
    else:
        what = "for a part of a month"
    detail = f"{measure.code} is not defined {what}: {measure.instead}."
    return Invalid("measure_not_defined_by", detail, pointer="/query/measures")


def parse(parameters: Iterable[tuple[str, str]]) -> Question:
    """A question from a query string's pairs (``measures``, ``by``, ``from``, ``to``, and a dimension each).

    Lists are separated by commas, or the parameter repeated. Raises ``unknown_measure``, ``unknown_dimension``,
    ``unknown_value`` and others; all faults that can be named are named at once.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        given.setdefault(name, []).extend(part for part in value.split(",") if part)
    faults: list[FieldError] = []
    measures = tuple(dict.fromkeys(given.pop("measures", [])))
    by = tuple(dict.fromkeys(given.pop("by", [])))
    first, last = (_day(name, given.pop(name, []), faults) for name in ("from", "to"))
    if not measures:
        faults.append(FieldError("/query/measures", "measure_missing", f"Name one or more of {', '.join(MEASURES)}."))
    faults += [_unknown("measure", "measures", each, MEASURES) for each in measures if each not in MEASURES]
    faults += [_unknown("dimension", "by", each, DIMENSIONS) for each in by if each not in DIMENSIONS]
    faults += [_unknown("dimension", each, each, DIMENSIONS) for each in given if each not in DIMENSIONS]
    if len(by) > MAX_BY:
        faults.append(FieldError("/query/by", "too_many_dimensions", f"At most {MAX_BY} dimensions at once."))
    for name, values in given.items():
        if name in DIMENSIONS:
            faults += check_values(name, values)
    if first and last and first > last:
        faults.append(FieldError("/query/to", "period_reversed", "The last day is before the first."))
    if faults:
        raise refused(faults)
    filters = {name: tuple(dict.fromkeys(values)) for name, values in given.items() if values}
    return Question(measures, by, filters, first, last)


def refused(faults: Sequence[FieldError]) -> Invalid:
    """One refusal that names every fault; its own code is that of the first."""
    return Invalid(faults[0].code, faults[0].detail, errors=tuple(faults))


def _unknown(what: str, where: str, value: str, known: Iterable[str]) -> FieldError:
    return FieldError(
        f"/query/{where[:40]}", f"unknown_{what}", f"There is no {what} {value[:40]!r}; known: {', '.join(known)}."
    )


def _day(name: str, values: list[str], faults: list[FieldError]) -> dt.date | None:
    """A date, or a month: its first day for ``from`` and its last for ``to``."""
    if not values:
        return None
    text = values[-1]
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
            year, month = int(text[:4]), int(text[5:])
            day = 1 if name == "from" else calendar.monthrange(year, month)[1]
            return dt.date(year, month, day)
        return dt.date.fromisoformat(text)
    except (ValueError, calendar.IllegalMonthError):
        faults.append(FieldError(f"/query/{name}", "invalid_date", "Give a day as 2026-10-05 or a month as 2026-10."))
        return None


_FORMS = {
    "day": r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    "month": r"[0-9]{4}-(0[1-9]|1[0-2])",
    "year": r"[0-9]{4}",
    "weekday": r"[1-7]",
    "hour": r"1?[0-9]|2[0-3]",
    "municipality": r"[0-9]{3}",
    "region": r"[0-9]{2}",
}
SLUG = r"[a-z0-9][a-z0-9_-]{0,59}"


def check_values(name: str, values: Sequence[str]) -> list[FieldError]:
    """Faults in the values of one dimension: form and code list. Whether the register knows them is asked later."""
    where = f"/query/{name}"
    if len(values) > MAX_VALUES:
        return [FieldError(where, "too_many_values", f"At most {MAX_VALUES} values of one dimension.")]
    known: Iterable[str] | None = CODES.get(name)
    if name == "municipality":
        known = municipalities()
    elif name == "region":
        known = regions()
    faults = []
    for value in values:
        if known is not None and value not in known:
            hint = f"; known: {', '.join(known)}" if name in CODES else ""
            faults.append(FieldError(where, "unknown_value", f"{name} has no value {value[:60]!r}{hint}."))
        elif known is None and not (re.fullmatch(_FORMS.get(name, SLUG), value) and _real_day(name, value)):
            faults.append(FieldError(where, "unknown_value", f"{value[:60]!r} cannot be a value of {name}."))
    return faults


def _real_day(name: str, value: str) -> bool:
    if name != "day":
        return True
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return False
    return True
