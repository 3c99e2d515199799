"""Names of what the figures are about, in the reader's language and as they were on a day (R9)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.reference.municipalities import municipalities, regions

_PARTIES = (
    "SELECT DISTINCT ON (party) party, {language} AS name FROM {schema}.party_names "
    "ORDER BY party, effective_from > :day, CASE WHEN effective_from > :day THEN effective_from END, "
    "effective_from DESC"
)
_POINTS = (
    "SELECT DISTINCT ON (point) point, {language} AS name, municipality, region, provider FROM {schema}.points "
    "ORDER BY point, effective_from > :day, CASE WHEN effective_from > :day THEN effective_from END, "
    "effective_from DESC"
)
_SERVICES = (
    "SELECT DISTINCT ON (service) service, {language} AS name FROM {schema}.services ORDER BY service, valid_from DESC"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the day."""

    name: str
    municipality: str
    region: str
    provider: str


@dataclass(frozen=True, slots=True)
class Names:
    """Code → name. A code without a name is shown as it is; nothing is hidden because its name has not come yet."""

    language: str
    parties: Mapping[str, str]
    families: Mapping[str, str]
    points: Mapping[str, Place]
    services: Mapping[str, str]

    def of(self, dimension: str, code: str | None) -> str | None:
        """The name, or None for a dimension that has none or a code that is not known."""
        if code is None:
            return None
        if dimension == "municipality":
            found = municipalities().get(code)
            return found.name(self.language) if found else None
        if dimension == "region":
            region = regions().get(code)
            return (region.sv if self.language == "sv" else region.fi) if region else None
        if dimension == "point":
            place = self.points.get(code)
            return place.name if place else None
        return self._tables().get(dimension, {}).get(code)

    def _tables(self) -> Mapping[str, Mapping[str, str]]:
        return {
            "authority": self.parties,
            "provider": self.parties,
            "payer": self.parties,
            "authority_family": self.families,
            "service": self.services,
        }


NAMED = ("point", "municipality", "region", "provider", "authority", "authority_family", "payer", "service")
"""Dimensions whose values have names."""


async def load_names(connection: AsyncConnection, schema: str, language: str, day: dt.date) -> Names:
    """All names as they were on ``day``: some hundreds of rows."""
    assert language in {"fi", "sv", "en"}
    where = {"schema": schema, "language": language}
    parties = (await connection.execute(text(_PARTIES.format(**where)), {"day": day})).all()
    points = (await connection.execute(text(_POINTS.format(**where)), {"day": day})).all()
    services = (await connection.execute(text(_SERVICES.format(**where)))).all()
    families = (await connection.execute(text(f"SELECT party, family FROM {schema}.parties ORDER BY party"))).all()
    named = {row.party: row.name for row in parties}
    return Names(
        language,
        named,
        _families([(row.party, row.family) for row in families], named),
        {row.point: Place(row.name, row.municipality, row.region, row.provider) for row in points},
        {row.service: row.name for row in services},
    )


def _families(members: list[tuple[str, str]], named: Mapping[str, str]) -> dict[str, str]:
    """A family bears the name of the member that has its code, else of its first member."""
    found: dict[str, str] = {}
    for party, family in members:
        if party == family or family not in found:
            found[family] = named.get(party, family)
    return found
