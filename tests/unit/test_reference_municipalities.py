"""The table of municipalities says what the national classification says, and the loader loses no leading zero."""

from __future__ import annotations

import pytest

from services.chassis.reference.municipalities import SAMI_HOMELAND, municipalities, regions

REGION_CODES = [f"{number:02d}" for number in (1, 2, *range(4, 20), 21)]
NORTH, SOUTH, WEST, EAST = 70.1, 59.8, 19.3, 31.6


@pytest.mark.parametrize(
    ("code", "fi", "sv", "region"),
    [
        ("005", "Alajärvi", "Alajärvi", "14"),
        ("009", "Alavieska", "Alavieska", "17"),
        ("020", "Akaa", "Akaa", "06"),
        ("091", "Helsinki", "Helsingfors", "01"),
        ("732", "Salla", "Salla", "19"),
        ("445", "Parainen", "Pargas", "02"),
        ("478", "Maarianhamina", "Mariehamn", "21"),
        ("543", "Nurmijärvi", "Nurmijärvi", "01"),
        ("090", "Heinävesi", "Heinävesi", "12"),
        ("142", "Iitti", "Iitti", "07"),
    ],
)
def test_known_codes(code: str, fi: str, sv: str, region: str) -> None:
    found = municipalities()[code]
    assert (found.fi, found.sv, found.region.code) == (fi, sv, region)


def test_every_code_has_three_digits_and_the_classification_is_whole() -> None:
    assert len(municipalities()) == 309
    assert all(len(code) == 3 and code.isdigit() and code == m.code for code, m in municipalities().items())
    assert len({m.fi for m in municipalities().values()}) == 309


def test_regions_are_the_nineteen() -> None:
    assert list(regions()) == REGION_CODES
    assert (regions()["01"].fi, regions()["01"].sv) == ("Uusimaa", "Nyland")
    assert (regions()["21"].fi, regions()["21"].sv) == ("Ahvenanmaa", "Åland")


def test_aland_is_flagged_and_swedish() -> None:
    aland = [m for m in municipalities().values() if m.on_aland]
    assert len(aland) == 16
    assert all(m.languages == ("sv",) for m in aland)


def test_seats_lie_in_finland_and_apart() -> None:
    places = [(m.lat, m.lon) for m in municipalities().values()]
    assert all(SOUTH < lat < NORTH and WEST < lon < EAST for lat, lon in places)
    assert len(set(places)) == 309


def test_languages() -> None:
    table = municipalities()
    assert table["091"].languages == ("fi", "sv")
    assert table["732"].languages == ("fi",)
    assert {table[code].fi for code in SAMI_HOMELAND} == {"Enontekiö", "Inari", "Sodankylä", "Utsjoki"}
    assert table["445"].name("sv") == "Pargas"
    assert table["445"].name("fi") == table["445"].name("en") == "Parainen"
