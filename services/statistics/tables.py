"""Tables of one version of the projection: additive cubes, and the names and geography beside them.

Laws:
- A cube's columns are its key and its counts; every count is a sum over events, so cells may be added in any order and
  a record applied later. A cell whose counts are all zero is the same as no cell.
- Texts are codes in the "C" collation: comparing bytes is what makes a key of many columns cheap.
- While a version is being built its cubes have no key and a cell may lie in several rows; :mod:`.write` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

CODE = sa.Text(collation="C")

CUBES: Mapping[str, tuple[Mapping[str, sa.types.TypeEngine[Any]], tuple[str, ...]]] = {
    "acts_month": (
        {
            "month": sa.Date(), "point": CODE, "authority": CODE, "service": CODE, "task": CODE, "channel": CODE,
            "language": CODE, "performed_by": CODE, "coverage": CODE, "late": sa.Boolean(),
        },
        ("acts", "quantity", "minutes", "timed"),
    ),
    "acts_day": (
        {"day": sa.Date(), "point": CODE, "authority": CODE, "channel": CODE},
        ("acts", "quantity", "visits"),
    ),
    "acts_hour": (
        {"month": sa.Date(), "weekday": sa.SmallInteger(), "hour": sa.SmallInteger(), "point": CODE, "authority": CODE},
        ("acts",),
    ),
    "visits_day": (
        {
            "day": sa.Date(), "point": CODE, "place": CODE, "language": CODE, "language_asked": CODE,
            "late": sa.Boolean(),
        },
        ("visits", "customers"),
    ),
    "documents_day": (
        {"day": sa.Date(), "point": CODE, "authority": CODE},
        ("received", "forwarded"),
    ),
    "compensation_month": (
        {"month": sa.Date(), "provider": CODE, "authority": CODE, "payer": CODE},
        ("cents", "credited_cents"),
    ),
    "invoices_month": (
        {"month": sa.Date(), "provider": CODE, "payer": CODE},
        ("invoices", "credit_notes"),
    ),
}  # fmt: skip
"""Cube → (key columns, counts).

``acts_day.visits``: a visit is counted once for each authority that has an act in it, on the row of the channel of the
first such act; so it may be summed over channels, and not read by them.
``timed``: acts whose minutes were recorded; the others are not zero minutes but unknown ones.
"""

NAMES: Mapping[str, tuple[Mapping[str, sa.types.TypeEngine[Any]], tuple[str, ...]]] = {
    "parties": ({"party": CODE}, ("family", "kind")),
    "party_names": ({"party": CODE, "effective_from": sa.Date()}, ("fi", "sv", "en")),
    "points": (
        {"point": CODE, "effective_from": sa.Date()},
        ("provider", "municipality", "region", "fi", "sv", "en"),
    ),
    "services": ({"authority": CODE, "service": CODE, "valid_from": sa.Date()}, ("fi", "sv", "en")),
}  # fmt: skip
"""Facts of the register: the newest statement about a key stands (by its log position)."""


def metadata(schema: str) -> sa.MetaData:
    """The tables of one version. The cubes get their keys in ``finish``, after the bulk of the cells."""
    tables = sa.MetaData(schema=schema)
    for name, (key, counts) in CUBES.items():
        columns = [sa.Column(column, kind, nullable=False) for column, kind in key.items()]
        columns += [sa.Column(column, sa.BigInteger, nullable=False) for column in counts]
        sa.Table(name, tables, *columns)
    for name, (key, facts) in NAMES.items():
        columns = [sa.Column(column, kind, primary_key=True) for column, kind in key.items()]
        columns += [sa.Column("position", sa.BigInteger, nullable=False)]
        columns += [sa.Column(column, CODE, nullable=False) for column in facts]
        sa.Table(name, tables, *columns)
    return tables
