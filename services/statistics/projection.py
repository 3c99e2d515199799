"""What statistics folds from the others: whole batches at a time, into cells to be added.

Laws:
- A correction takes the cells of ``before`` back and adds those of ``after``; a void takes ``before`` back. Both fall
  on the day of service, however long ago (S4).
- A visit is counted by its place and language, an act by what was done and for whom; neither is ever made from the
  other (R11).
- What cannot be read is parked, and may be applied later: every cell is a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from schemas import topics
from schemas.agreements import (
    PartyRegistered,
    PartyRenamed,
    ServiceDefined,
    ServicePointChanged,
    ServicePointRegistered,
)
from schemas.billing import CreditNoteIssued, InvoiceIssued
from schemas.diary import DocumentForwarded, DocumentReceived, VisitCorrected, VisitRecorded, VisitVoided
from services.chassis.clock import HELSINKI
from services.chassis.projection.model import Deltas, ProjectionSpec, Source
from services.statistics.cubes import CUBES, NAMES
from services.statistics.tables import metadata
from services.statistics.write import finish, write

NAME = "statistics"
NOT_ASKED = "not_recorded"
"""Code of a language asked for that nobody wrote down: not the same as the language served (S10)."""

_ACT = (
    "authority_id", "service", "task", "channel", "quantity", "minutes", "performed_by", "coverage.status",
)  # fmt: skip
_FACTS = (
    "service_day", "hour", "customers", "language", "language_asked", "place", "late.reason",
    *(f"acts[].{name}" for name in _ACT),
)  # fmt: skip
DIARY = Source(
    topics.DIARY,
    (VisitRecorded, VisitCorrected, VisitVoided, DocumentReceived, DocumentForwarded),
    keep=(
        "service_point_id", "authority_id", "service_day", "forwarded_at",
        *(f"{part}.{name}" for part in ("visit", "before", "after") for name in _FACTS),
    ),
)  # fmt: skip
AGREEMENTS = Source(
    topics.AGREEMENTS,
    (PartyRegistered, PartyRenamed, ServicePointRegistered, ServicePointChanged, ServiceDefined),
)
_LINE = ("commissioner_id", "service_month", "amount")
BILLING = Source(
    topics.BILLING,
    (InvoiceIssued, CreditNoteIssued),
    keep=("provider_id", "payer_id", "period", *(f"lines[].{name}" for name in _LINE)),
)


def fold(topic: str, frame: pl.DataFrame) -> Deltas:
    """Cells and names from a batch of one topic; empty tables are left out."""
    return {name: rows for name, rows in _FOLDS[topic](frame).items() if rows.height}


def _of(path: str) -> pl.Expr:
    found = pl.col("data")
    for name in path.split("."):
        found = found.struct.field(name)
    return found


def _summed(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """One row per cell, without those in which nothing remains."""
    key, counts = CUBES[name]
    cells = rows.group_by(list(key)).agg(pl.col(count).sum().cast(pl.Int64) for count in counts)
    return cells.filter(pl.any_horizontal(pl.col(count) != 0 for count in counts))


def _fold_diary(frame: pl.DataFrame) -> Deltas:
    deltas = _fold_visits(frame)
    papers = frame.filter(pl.col("type").is_in(["DocumentReceived", "DocumentForwarded"]))
    if papers.height:
        deltas["documents_day"] = _documents(papers)
    return deltas


def _fold_visits(frame: pl.DataFrame) -> Deltas:
    given = pl.coalesce(_of("visit"), _of("after"))
    parts = [_signed(frame, given, 1)]
    if frame["type"].is_in(["VisitCorrected", "VisitVoided"]).any():
        parts.append(_signed(frame, _of("before"), -1))
    visits = pl.concat(parts).with_row_index("row")
    if not visits.height:
        return {}
    acts = _acts(visits)
    return {
        "visits_day": _summed("visits_day", visits.with_columns(visits=pl.col("sign"), customers=_times("customers"))),
        "acts_month": _summed("acts_month", acts),
        "acts_day": _summed("acts_day", acts),
        "acts_hour": _summed("acts_hour", acts),
    }


def _signed(frame: pl.DataFrame, facts: pl.Expr, sign: int) -> pl.DataFrame:
    """The visits that ``facts`` names, to be added or taken back."""
    part = frame.select(point=_of("service_point_id"), facts=facts).filter(pl.col("facts").is_not_null())
    return part.unnest("facts").select(
        "point",
        "hour",
        "customers",
        "language",
        "place",
        "acts",
        day=pl.col("service_day").str.to_date("%Y-%m-%d"),
        language_asked=pl.col("language_asked").fill_null(NOT_ASKED),
        late=pl.col("late").struct.field("reason").is_not_null(),
        sign=pl.lit(sign, pl.Int64),
    )


def _times(name: str) -> pl.Expr:
    return pl.col(name) * pl.col("sign")


def _acts(visits: pl.DataFrame) -> pl.DataFrame:
    """One row per act, with every key and count of the cubes of acts."""
    acts = visits.select("row", "day", "hour", "point", "language", "late", "sign", "acts").explode("acts")
    acts = acts.unnest("acts").rename({"authority_id": "authority"})
    pair = pl.struct("row", "authority")
    return acts.with_columns(
        month=pl.col("day").dt.month_start(),
        weekday=pl.col("day").dt.weekday(),
        coverage=pl.col("coverage").struct.field("status"),
        acts=pl.col("sign"),
        quantity=_times("quantity"),
        timed=pl.col("sign") * pl.col("minutes").is_not_null(),
        minutes=_times("minutes").fill_null(0),
        visits=pl.col("sign") * pair.is_first_distinct(),
    )


def _documents(papers: pl.DataFrame) -> pl.DataFrame:
    """Papers received by the day of service, and sent on by the Helsinki day of sending."""
    sent = _of("forwarded_at").str.to_datetime("%+", time_zone="UTC").dt.convert_time_zone(HELSINKI.key).dt.date()
    rows = papers.select(
        day=pl.coalesce(_of("service_day").str.to_date("%Y-%m-%d"), sent),
        point=_of("service_point_id"),
        authority=_of("authority_id"),
        received=(pl.col("type") == "DocumentReceived").cast(pl.Int64),
        forwarded=(pl.col("type") == "DocumentForwarded").cast(pl.Int64),
    )
    return _summed("documents_day", rows)


def _fold_billing(frame: pl.DataFrame) -> Deltas:
    credit = pl.col("type") == "CreditNoteIssued"
    heads = frame.select(
        month=_month(_of("period")),
        provider=_of("provider_id"),
        payer=_of("payer_id"),
        invoices=(~credit).cast(pl.Int64),
        credit_notes=credit.cast(pl.Int64),
        lines=_of("lines"),
    )
    lines = heads.select("provider", "payer", "credit_notes", "lines").explode("lines").unnest("lines")
    cents = pl.col("amount").str.replace(".", "", literal=True).cast(pl.Int64)
    lines = lines.select(
        "provider",
        "payer",
        month=_month(pl.col("service_month")),
        authority=pl.col("commissioner_id"),
        cents=cents,
        credited_cents=cents * pl.col("credit_notes"),
    )
    return {
        "invoices_month": _summed("invoices_month", heads),
        "compensation_month": _summed("compensation_month", lines),
    }


def _month(text: pl.Expr) -> pl.Expr:
    return (text + "-01").str.to_date("%Y-%m-%d")


def _names(path: str) -> dict[str, pl.Expr]:
    return {language: _of(f"{path}.{language}") for language in ("fi", "sv", "en")}


def _any_names() -> dict[str, pl.Expr]:
    """The names of a party, wherever its event has them."""
    return {
        language: pl.coalesce(_of(f"party.names.{language}"), _of(f"names.{language}")) for language in _names("names")
    }


_REGISTER: Mapping[str, tuple[tuple[str, ...], Callable[[], dict[str, pl.Expr]]]] = {
    "parties": (
        ("PartyRegistered",),
        lambda: {"party": _of("party_id"), "family": _of("party.family"), "kind": _of("party.kind")},
    ),
    "party_names": (
        ("PartyRegistered", "PartyRenamed"),
        lambda: {
            "party": _of("party_id"),
            "effective_from": pl.coalesce(_of("party.valid_from"), _of("effective_from")),
            **_any_names(),
        },
    ),
    "points": (
        ("ServicePointRegistered", "ServicePointChanged"),
        lambda: {
            "point": _of("service_point_id"),
            "effective_from": pl.coalesce(_of("effective_from"), _of("point.open_from")),
            "provider": _of("point.provider_id"),
            "municipality": _of("point.municipality_code"),
            "region": _of("point.region_code"),
            **_names("point.names"),
        },
    ),
    "services": (
        ("ServiceDefined",),
        lambda: {
            "authority": _of("authority_id"),
            "service": _of("code"),
            "valid_from": _of("valid_from"),
            **_names("names"),
        },
    ),
}
"""Table of names → (event types, columns)."""


def _fold_agreements(frame: pl.DataFrame) -> Deltas:
    deltas: Deltas = {}
    for table, (types, columns) in _REGISTER.items():
        part = frame.filter(pl.col("type").is_in(types))
        if part.height:
            deltas[table] = part.select("position", **columns())
    return deltas


_FOLDS: Mapping[str, Callable[[pl.DataFrame], Deltas]] = {
    topics.DIARY.name: _fold_diary,
    topics.AGREEMENTS.name: _fold_agreements,
    topics.BILLING.name: _fold_billing,
}

SPEC = ProjectionSpec(
    name=NAME,
    sources=(DIARY, AGREEMENTS, BILLING),
    metadata=metadata,
    fold=fold,
    write=write,
    on_poison="park",
    compared={name: tuple(key) for name, (key, _) in {**CUBES, **NAMES}.items()},
    counts={name: counts for name, (_, counts) in CUBES.items()},
    finish=finish,
)
