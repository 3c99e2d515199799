"""What the diary keeps of the agreements log: the reference data its coverage is found by.

Every row is one event, keyed by its position; nothing is ever changed, so folding twice or in any order ends the
same. Lists of codes are texts joined by spaces, since no code contains one; a service of an authority is
``authority:code``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import topics
from schemas.agreements import (
    AgreementAmended,
    AgreementSigned,
    AgreementTerminated,
    PartyRegistered,
    PartyRenamed,
    PartySucceeded,
    ServiceDefined,
    ServicePointChanged,
    ServicePointClosed,
    ServicePointRegistered,
)
from services.chassis.projection.model import Deltas, ProjectionSpec, Source
from services.chassis.projection.write import insert_frame
from services.diary.register_tables import NAME, TABLES, metadata


def fold(topic: str, frame: pl.DataFrame) -> Deltas:
    """Rows per table out of a slice of the agreements topic."""
    wanted = {kind: frame.filter(pl.col("type") == kind) for kind in frame["type"].unique()}
    rows: dict[str, list[pl.DataFrame]] = {}
    for kind, folders in _FOLDS.items():
        if kind in wanted:
            for table, columns in folders:
                rows.setdefault(table, []).append(wanted[kind].select(pl.col("position"), *columns()))
    return {table: pl.concat(parts) for table, parts in rows.items()}


def _at(path: str, name: str | None = None) -> pl.Expr:
    """A value below ``data``: ``terms.tasks``."""
    expression = pl.col("data")
    for part in path.split("."):
        expression = expression.struct.field(part)
    return expression.alias(name or path.rsplit(".", 1)[-1])


def _joined(path: str, name: str | None = None) -> pl.Expr:
    return _at(path, name).list.join(" ")


def _named(path: str) -> list[pl.Expr]:
    return [_at(f"{path}.{language}", f"name_{language}") for language in ("fi", "sv", "en")]


def _party() -> list[pl.Expr]:
    return [_at("party_id"), _at("party.kind"), _at("party.family"), _at("party.valid_from")]


def _first_name() -> list[pl.Expr]:
    return [_at("party_id"), *_named("party.names"), _at("party.valid_from", "effective_from")]


def _new_name() -> list[pl.Expr]:
    return [_at("party_id"), *_named("names"), _at("effective_from")]


def _succession() -> list[pl.Expr]:
    municipalities = _joined("municipality_codes", "municipalities")
    return [_at("party_id"), _at("successor_id"), _at("effective_from"), municipalities]


def _point(effective_from: str) -> Callable[[], list[pl.Expr]]:
    def columns() -> list[pl.Expr]:
        return [
            _at("service_point_id"),
            _at("point.provider_id"),
            _at("point.municipality_code"),
            *_named("point.names"),
            _at("point.open_from"),
            _at(effective_from, "effective_from"),
        ]

    return columns


def _closure() -> list[pl.Expr]:
    return [_at("service_point_id"), _at("last_day"), _at("successor_id")]


def _service() -> list[pl.Expr]:
    return [
        _at("authority_id"),
        _at("code"),
        *_named("names"),
        _joined("tasks"),
        _at("standard"),
        _at("valid_from"),
        _at("valid_until"),
    ]


def _version() -> list[pl.Expr]:
    pair = pl.element().struct.field("authority_id") + ":" + pl.element().struct.field("code")
    return [
        _at("agreement_id"),
        _at("version"),
        _at("agreement.provider_id"),
        _joined("agreement.commissioner_ids"),
        _joined("agreement.service_point_ids"),
        _at("agreement.valid_from"),
        _at("agreement.valid_until"),
        _at("effective_from"),
        _joined("terms.tasks"),
        _at("terms.services").list.eval(pair).list.join(" ").alias("services"),
    ]


def _end() -> list[pl.Expr]:
    return [_at("agreement_id"), _at("last_day")]


async def write(connection: AsyncConnection, schema: str, deltas: Deltas) -> None:
    """Insert what is not there yet."""
    for table in TABLES:
        if table in deltas:
            await insert_frame(connection, schema, table, deltas[table], key=("position",))


_FOLDS: dict[str, Sequence[tuple[str, Callable[[], list[pl.Expr]]]]] = {
    PartyRegistered.__name__: (("parties", _party), ("party_names", _first_name)),
    PartyRenamed.__name__: (("party_names", _new_name),),
    PartySucceeded.__name__: (("successions", _succession),),
    ServicePointRegistered.__name__: (("points", _point("point.open_from")),),
    ServicePointChanged.__name__: (("points", _point("effective_from")),),
    ServicePointClosed.__name__: (("point_closures", _closure),),
    ServiceDefined.__name__: (("services", _service),),
    AgreementSigned.__name__: (("agreement_versions", _version),),
    AgreementAmended.__name__: (("agreement_versions", _version),),
    AgreementTerminated.__name__: (("agreement_ends", _end),),
}

SPEC = ProjectionSpec(
    name=NAME,
    sources=(
        Source(
            topics.AGREEMENTS,
            (
                PartyRegistered,
                PartyRenamed,
                PartySucceeded,
                ServicePointRegistered,
                ServicePointChanged,
                ServicePointClosed,
                ServiceDefined,
                AgreementSigned,
                AgreementAmended,
                AgreementTerminated,
            ),
        ),
    ),
    metadata=metadata,
    fold=fold,
    write=write,
    on_poison="halt",
    compared=dict.fromkeys(TABLES, ("position",)),
)
