"""Municipalities and regions of Finland: codes, names, languages, and where the seat is.

The table and its sources: deploy/facts/README.md. One classification (2024) is held; geography by the
classification of another date would be a second table with its correspondence (R38).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SAMI_HOMELAND = frozenset({"047", "148", "758", "890"})
"""Enontekiö, Inari, Sodankylä and Utsjoki (974/1995 §4; of Sodankylä the northern part)."""
ALAND = "21"


@dataclass(frozen=True, slots=True)
class Region:
    """A region (maakunta) by its two-digit code, with the leading zero."""

    code: str
    fi: str
    sv: str


@dataclass(frozen=True, slots=True)
class Municipality:
    """A municipality by its three-digit code, with leading zeros.

    ``languages`` puts the majority's language first. ``lat`` and ``lon`` are degrees (WGS 84) of the seat;
    ``seat_population`` is that of the built-up place, not of the municipality, and ``None`` where unknown.
    """

    code: str
    fi: str
    sv: str
    region: Region
    languages: tuple[str, ...]
    lat: float
    lon: float
    seat: str
    seat_population: int | None

    @property
    def on_aland(self) -> bool:
        return self.region.code == ALAND

    def name(self, language: str) -> str:
        """The name in Swedish for ``sv``, else in Finnish: other languages have no names of their own in the table."""
        return self.sv if language == "sv" else self.fi


@cache
def municipalities() -> dict[str, Municipality]:
    """Every municipality by code, in the order of codes."""
    text = files(__package__).joinpath("municipalities.csv").read_text(encoding="utf-8")
    return {row["code"]: _municipality(row) for row in csv.DictReader(text.splitlines())}


@cache
def regions() -> dict[str, Region]:
    """Every region by code, in the order of codes."""
    found = {m.region.code: m.region for m in municipalities().values()}
    return dict(sorted(found.items()))


def _municipality(row: dict[str, str]) -> Municipality:
    return Municipality(
        code=row["code"],
        fi=row["name_fi"],
        sv=row["name_sv"],
        region=Region(row["region_code"], row["region_fi"], row["region_sv"]),
        languages=tuple(row["languages"].split()),
        lat=float(row["lat"]),
        lon=float(row["lon"]),
        seat=row["seat"],
        seat_population=int(row["seat_population"]) if row["seat_population"] else None,
    )
