"""The tables of the register: what the diary keeps of parties, points, services and agreements."""

from __future__ import annotations

import sqlalchemy as sa

NAME = "register"
TABLES = (
    "parties", "party_names", "successions", "points", "point_closures", "services", "agreement_versions",
    "agreement_ends",
)  # fmt: skip


def metadata(schema: str) -> sa.MetaData:
    """The tables of one version."""
    made = sa.MetaData(schema=schema)

    def table(name: str, *columns: sa.Column[object]) -> None:
        sa.Table(name, made, sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False), *columns)

    table("parties", _text("party_id"), _text("kind"), _text("family"), _day("valid_from"))
    table("party_names", _text("party_id"), *_names(), _day("effective_from"))
    table(
        "successions", _text("party_id"), _text("successor_id"), _day("effective_from"), _text("municipalities", True)
    )
    table(
        "points",
        _text("service_point_id"), _text("provider_id"), _text("municipality_code"), *_names(),
        _day("open_from"), _day("effective_from"),
    )  # fmt: skip
    table("point_closures", _text("service_point_id"), _day("last_day"), _text("successor_id", True))
    table(
        "services",
        _text("authority_id"), _text("code"), *_names(), _text("tasks"),
        sa.Column("standard", sa.Boolean, nullable=False),
        _day("valid_from"), _day("valid_until", True),
    )  # fmt: skip
    table(
        "agreement_versions",
        sa.Column("agreement_id", sa.Uuid, nullable=False), sa.Column("version", sa.Integer, nullable=False),
        _text("provider_id"), _text("commissioner_ids"), _text("service_point_ids"),
        _day("valid_from"), _day("valid_until", True), _day("effective_from"), _text("tasks"), _text("services"),
    )  # fmt: skip
    table("agreement_ends", sa.Column("agreement_id", sa.Uuid, nullable=False), _day("last_day"))
    return made


def _text(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _day(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Date, nullable=nullable)


def _names() -> tuple[sa.Column[object], ...]:
    return _text("name_fi"), _text("name_sv"), _text("name_en")
