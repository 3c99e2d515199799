"""What billing folds from others: the diary's acts, and the agreements' terms, parties and points.

Laws:
- Every table only grows; a row is one fact with the log position that made it known. So the topics may come in any
  order, and the state at any pair of cut-offs is a WHERE.
- A correction is the acts before with sign −1 and the acts after with +1; a void −1 alone. Nothing is netted here.
- Billing halts at a record it cannot read: a late bill beats a wrong one (design.md §6).
"""

from __future__ import annotations

from functools import cache

import polars as pl
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import topics
from schemas.agreements import (
    AgreementAmended,
    AgreementSigned,
    AgreementTerminated,
    PartyRegistered,
    PartyRenamed,
    PartySucceeded,
    ServicePointChanged,
    ServicePointRegistered,
)
from schemas.diary import VisitCorrected, VisitRecorded, VisitVoided
from services.chassis.projection.model import Deltas, ProjectionSpec, Source
from services.chassis.projection.write import copy_frame

NAME = "billing"
_ACT = ("act_no", "authority_id", "service", "task", "channel", "quantity", "minutes", "performed_by")
_FACTS = ("service_day", *(f"acts[].{name}" for name in _ACT))
DIARY = Source(
    topics.DIARY,
    (VisitRecorded, VisitCorrected, VisitVoided),
    keep=(
        "visit_id", "service_point_id", "provider_id",
        *(f"{part}.{name}" for part in ("visit", "before", "after") for name in _FACTS),
    ),
)  # fmt: skip
AGREEMENTS = Source(
    topics.AGREEMENTS,
    (
        AgreementSigned, AgreementAmended, AgreementTerminated, PartyRegistered, PartyRenamed, PartySucceeded,
        ServicePointRegistered, ServicePointChanged,
    ),
)  # fmt: skip


def metadata(schema: str) -> sa.MetaData:
    """The tables of one version. The acts get their indexes in :func:`finish`, after the bulk of the rows."""
    tables = sa.MetaData(schema=schema)
    _acts(tables)
    _terms(tables)
    _register(tables)
    return tables


def _acts(tables: sa.MetaData) -> None:
    sa.Table(
        "acts",
        tables,
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("sign", sa.SmallInteger, nullable=False, comment="-1 takes the act back"),
        sa.Column("act_no", sa.SmallInteger, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("quantity", sa.SmallInteger, nullable=False),
        sa.Column("minutes", sa.SmallInteger),
        sa.Column("sequence", sa.BigInteger, comment="of the authority's copy in its feed; null for own service"),
        sa.Column("visit_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("point", sa.Text, nullable=False),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("performed_by", sa.Text, nullable=False),
    )


def _terms(tables: sa.MetaData) -> None:
    sa.Table(
        "agreement_versions",
        tables,
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("agreement_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("effective_from", sa.Date, nullable=False),
        sa.Column("signed_on", sa.Date),
        sa.Column("body", sa.Text, nullable=False, comment="JSON: the agreement and its terms without the §8 texts"),
        sa.Index("agreement_versions_provider", "provider"),
    )
    sa.Table(
        "terminations",
        tables,
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("agreement_id", sa.Uuid, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
    )


def _register(tables: sa.MetaData) -> None:
    sa.Table(
        "parties",
        tables,
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("party_id", sa.Text, nullable=False),
        sa.Column("effective_from", sa.Date, nullable=False),
        sa.Column("business_id", sa.Text),
        sa.Column("names", sa.Text, nullable=False, comment="JSON by language"),
        sa.Index("parties_party", "party_id"),
    )
    sa.Table(
        "successions",
        tables,
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("party_id", sa.Text, nullable=False),
        sa.Column("successor_id", sa.Text, nullable=False),
        sa.Column("effective_from", sa.Date, nullable=False),
        sa.Column("municipalities", sa.Text, comment="codes with spaces between; null is the whole country"),
    )
    sa.Table(
        "points",
        tables,
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("point_id", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("municipality", sa.Text, nullable=False),
        sa.Column("names", sa.Text, nullable=False, comment="JSON by language"),
    )


async def finish(connection: AsyncConnection, schema: str) -> None:
    """The keys of the acts, built once over all rows: a tenth of what they cost row by row."""
    key = "provider, authority, position, act_no, sign"
    await connection.execute(text(f"CREATE UNIQUE INDEX IF NOT EXISTS acts_key ON {schema}.acts ({key})"))
    await connection.execute(text(f"CREATE INDEX IF NOT EXISTS acts_day ON {schema}.acts (provider, day)"))


def fold(topic: str, frame: pl.DataFrame) -> Deltas:
    """Rows for every table, from a batch of one topic."""
    return _fold_diary(frame) if topic == topics.DIARY.name else _fold_agreements(frame)


def _fold_diary(frame: pl.DataFrame) -> Deltas:
    data = pl.col("data").struct
    head = frame.select(
        "position",
        "event_id",
        "places",
        visit_id=data.field("visit_id"),
        provider=data.field("provider_id"),
        point=data.field("service_point_id"),
        taken=data.field("before"),
        given=pl.coalesce(data.field("visit"), data.field("after")),
    )
    added = _exploded(head, "given", 1)
    gone = head.filter(pl.col("taken").is_not_null())
    rows = pl.concat([added, _exploded(gone, "taken", -1)]) if gone.height else added
    return {"acts": rows.with_columns(sequence=_place()).select(ACT_COLUMNS)}


ACT_COLUMNS = [column.name for column in metadata("any").tables["any.acts"].columns]


def _exploded(head: pl.DataFrame, facts: str, sign: int) -> pl.DataFrame:
    """One row per act of the struct column ``facts``."""
    body = pl.col(facts).struct
    return (
        head.filter(pl.col(facts).is_not_null())
        .select(
            "position", "event_id", "places", "visit_id", "provider", "point",
            day=body.field("service_day"), act=body.field("acts"), sign=pl.lit(sign, dtype=pl.Int64),
        )
        .explode("act")
        .unnest("act")
        .rename({"authority_id": "authority"})
    )  # fmt: skip


def _place() -> pl.Expr:
    """The authority's own sequence, found in ``places`` (``kela:12 vero:3``)."""
    spaced = pl.concat_str(pl.lit(" "), pl.col("places").fill_null(""))
    name = pl.concat_str(pl.lit(" "), pl.col("authority"), pl.lit(":"))
    start = spaced.str.find(name, literal=True) + name.str.len_bytes()
    return spaced.str.slice(start, 20).str.extract("^([0-9]+)", 1).cast(pl.Int64)


def _fold_agreements(frame: pl.DataFrame) -> Deltas:
    deltas: Deltas = {}
    for types, (table, columns) in _AGREEMENT_FACTS.items():
        part = frame.filter(pl.col("type").is_in(types))
        if part.height:
            deltas[table] = part.select("position", **columns())
    return deltas


def _of(path: str) -> pl.Expr:
    found = pl.col("data")
    for name in path.split("."):
        found = found.struct.field(name)
    return found


def _versions() -> dict[str, pl.Expr]:
    terms = [_of(f"terms.{name}").alias(name) for name in ("tasks", "services", "tariffs", "vat")]
    body = pl.struct([_of("agreement").alias("agreement"), *terms])
    return {
        "agreement_id": _of("agreement_id"),
        "version": _of("version"),
        "provider": _of("agreement.provider_id"),
        "effective_from": _of("effective_from"),
        "signed_on": _of("signed_on"),
        "body": body.struct.json_encode(),
    }


def _terminations() -> dict[str, pl.Expr]:
    return {"agreement_id": _of("agreement_id"), "last_day": _of("last_day")}


def _registered() -> dict[str, pl.Expr]:
    return {
        "party_id": _of("party_id"),
        "effective_from": pl.coalesce(_of("party.valid_from"), _of("effective_from")),
        "business_id": _of("party.business_id"),
        "names": pl.coalesce(_of("party.names"), _of("names")).struct.json_encode(),
    }


def _successions() -> dict[str, pl.Expr]:
    return {
        "party_id": _of("party_id"),
        "successor_id": _of("successor_id"),
        "effective_from": _of("effective_from"),
        "municipalities": _of("municipality_codes").list.join(" "),
    }


def _points() -> dict[str, pl.Expr]:
    return {
        "point_id": _of("service_point_id"),
        "provider": _of("point.provider_id"),
        "municipality": _of("point.municipality_code"),
        "names": _of("point.names").struct.json_encode(),
    }


_AGREEMENT_FACTS = {
    ("AgreementSigned", "AgreementAmended"): ("agreement_versions", _versions),
    ("AgreementTerminated",): ("terminations", _terminations),
    ("PartyRegistered", "PartyRenamed"): ("parties", _registered),
    ("PartySucceeded",): ("successions", _successions),
    ("ServicePointRegistered", "ServicePointChanged"): ("points", _points),
}


async def write(connection: AsyncConnection, schema: str, deltas: Deltas) -> None:
    """COPY: rows are only ever added."""
    for table, frame in deltas.items():
        await copy_frame(connection, schema, table, frame)


@cache
def spec() -> ProjectionSpec:
    return ProjectionSpec(
        name=NAME,
        sources=(DIARY, AGREEMENTS),
        metadata=metadata,
        fold=fold,
        write=write,
        on_poison="halt",
        compared={
            "acts": ("position", "act_no", "sign"),
            **dict.fromkeys(("agreement_versions", "terminations", "parties", "successions", "points"), ("position",)),
        },
        finish=finish,
    )
