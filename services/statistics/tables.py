"""Tables of one version of the projection, made from :mod:`.cubes`.

Texts are codes in the "C" collation: comparing bytes is what makes a key of many columns cheap. While a version is
being built its cubes have no key and a cell may lie in several rows; :mod:`.write` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from services.statistics.cubes import CUBES, NAMES, Kind

CODE = sa.Text(collation="C")
TYPES: Mapping[Kind, sa.types.TypeEngine[Any]] = {
    Kind.DATE: sa.Date(),
    Kind.CODE: CODE,
    Kind.SMALL: sa.SmallInteger(),
    Kind.FLAG: sa.Boolean(),
}


def metadata(schema: str) -> sa.MetaData:
    """The tables of one version. The cubes get their keys in ``finish``, after the bulk of the cells."""
    tables = sa.MetaData(schema=schema)
    for name, (key, counts) in CUBES.items():
        columns = [sa.Column(column, TYPES[kind], nullable=False) for column, kind in key.items()]
        columns += [sa.Column(column, sa.BigInteger, nullable=False) for column in counts]
        sa.Table(name, tables, *columns)
    for name, (key, facts) in NAMES.items():
        columns = [sa.Column(column, TYPES[kind], primary_key=True) for column, kind in key.items()]
        columns += [sa.Column("position", sa.BigInteger, nullable=False)]
        columns += [sa.Column(column, CODE, nullable=False) for column in facts]
        sa.Table(name, tables, *columns)
    return tables
