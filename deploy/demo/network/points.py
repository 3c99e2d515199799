"""Two hundred synthetic points in real municipalities, with the fields of the national form (domain.md D.2).

Where the points are, who keeps them, their hours and their size are invented: the real register was not available.
Addresses, numbers and mail addresses cannot be taken for real ones (``Esimerkkikatu``, +358 00, ``.invalid``).
"""

from __future__ import annotations

import datetime as dt
import math
import random
from dataclasses import dataclass

from deploy.demo.network.commands import Body, Command
from deploy.demo.network.parties import municipality_party
from deploy.demo.network.tables import seeded
from services.chassis.reference.municipalities import Municipality, municipalities, regions

POINTS = 200
MUNICIPALITIES = 190
SALLA = "732"
MARIEHAMN = "478"
SMALL_SHARE = 0.3
SMALL_VISITS_A_WEEK = 3.0
AVERAGE_VISITS_A_WEEK = 18.5
"""Of a point, when the network has 60,000 visits in a quarter and the weeks run so far in the next month."""
EXCEPTIONAL_PROVIDERS = {"272": "kela", "740": "kela", "778": "kela", "047": "hva-lappi", "398": "lvv"}
"""First points kept by others than the municipality (R8; Kela under 1350/2014, the state's joint points since 2026)."""
STATE_JOINT_POINTS_SINCE = dt.date(2026, 1, 1)
LOCATIONS = ("town_hall", "library", "kela_office", "health_centre", "joint_house", "shopping_centre")

Hours = tuple[tuple[int, int, int], ...]
"""(ISO weekday, opens, closes), the times in minutes after midnight."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point as the generator sees it; ``body`` is for the register, ``weekly`` the visits of an ordinary week."""

    id: str
    municipality: Municipality
    provider_id: str
    open_from: dt.date
    hours: Hours
    weekly: float
    closed_in_july: bool
    body: Body

    @property
    def command(self) -> Command:
        return Command("PUT", f"/api/service-points/{self.id}", self.body, self.provider_id)


def make_points(seed: int, today: dt.date) -> tuple[Point, ...]:
    """The points in the order of their ids. One municipality in twenty has a second point."""
    rng = seeded(seed, "points")
    codes = _chosen(rng)
    second = sorted(codes, key=lambda code: -_people(code))[: POINTS - MUNICIPALITIES]
    places = sorted([(code, 1) for code in codes] + [(code, 2) for code in second])
    weekly = _weekly(rng, places)
    return tuple(_point(rng, code, n, weekly[code, n], today) for code, n in places)


def _people(code: str) -> int:
    return municipalities()[code].seat_population or 1500


def _chosen(rng: random.Random) -> list[str]:
    """190 municipalities: in each region in proportion, always its largest; on Åland Mariehamn alone."""
    by_region = {code: [m.code for m in municipalities().values() if m.region.code == code] for code in regions()}
    by_region["21"] = [MARIEHAMN]
    total = sum(len(codes) for codes in by_region.values())
    shares = {region: MUNICIPALITIES * len(codes) / total for region, codes in by_region.items()}
    counts = {region: max(1, math.floor(share)) for region, share in shares.items()}
    by_remainder = sorted(shares, key=lambda region: counts[region] - shares[region])
    for region in by_remainder[: MUNICIPALITIES - sum(counts.values())]:
        counts[region] += 1
    return sorted(code for region, codes in by_region.items() for code in _in_region(rng, codes, counts[region]))


def _in_region(rng: random.Random, codes: list[str], count: int) -> list[str]:
    fixed = {max(codes, key=_people), *({SALLA, *EXCEPTIONAL_PROVIDERS} & set(codes))}
    rest = [code for code in codes if code not in fixed]
    return [*fixed, *rng.sample(rest, count - len(fixed))]


def _weekly(rng: random.Random, places: list[tuple[str, int]]) -> dict[tuple[str, int], float]:
    """Visits a week by point: three at the small ones, the rest by the size of the place, unevenly."""
    by_size = sorted(places, key=lambda place: _people(place[0]) * rng.uniform(0.6, 1.4))
    small = [place for place in by_size[: int(len(places) * SMALL_SHARE)] if place[0] != SALLA]
    weights = {p: _people(p[0]) ** 0.45 * rng.lognormvariate(0, 0.45) for p in by_size if p not in set(small)}
    scale = (AVERAGE_VISITS_A_WEEK * len(places) - SMALL_VISITS_A_WEEK * len(small)) / sum(weights.values())
    weekly = {place: max(4.0, weight * scale) for place, weight in weights.items()}
    return weekly | dict.fromkeys(small, SMALL_VISITS_A_WEEK)


def _hours(rng: random.Random, weekly: float) -> Hours:
    """A few hours on two or three days at small points; all week, an evening and some Saturdays at large ones."""
    if weekly <= SMALL_VISITS_A_WEEK:
        days = sorted(rng.sample(range(1, 6), rng.choice((2, 3))))
        return tuple((day, 600, 840) for day in days)
    if weekly < 14:
        return tuple((day, 540, 720) for day in range(1, 6)) + tuple((day, 750, 900) for day in (1, 2, 3, 4))
    opens, closes = rng.choice(((540, 960), (540, 945), (480, 975)))
    evening = rng.choice((2, 4))
    week = tuple((day, opens, 1080 if day == evening and weekly > 30 else closes) for day in range(1, 6))
    return (*week, (6, 600, 840)) if weekly > 55 else week


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _open_from(rng: random.Random, code: str, provider: str, today: dt.date) -> dt.date:
    if provider == "lvv":
        return STATE_JOINT_POINTS_SINCE
    if provider.startswith("hva-"):
        return dt.date(2023, 9, 1)
    if code == SALLA:
        return dt.date(2012, 3, 1)
    if rng.random() < 0.015:  # A point or two opened only lately: their history is short.
        return today - dt.timedelta(days=rng.randint(40, 75))
    return dt.date(rng.randint(2008, 2024), rng.randint(1, 12), 1)


def _point(rng: random.Random, code: str, n: int, weekly: float, today: dt.date) -> Point:
    m = municipalities()[code]
    provider = municipality_party(code) if n > 1 else EXCEPTIONAL_PROVIDERS.get(code, municipality_party(code))
    hours = _hours(rng, weekly)
    july = weekly <= 6 and rng.random() < 0.3
    open_from = _open_from(rng, code, provider, today)
    point_id = f"piste-{code}-{n}"
    location = "kela_office" if provider == "kela" else rng.choice(LOCATIONS[:2] + LOCATIONS[3:])
    body = _body(rng, m, point_id, n, provider, location, hours, july, open_from, today)
    return Point(point_id, m, provider, open_from, hours, weekly, july, body)


def _body(
    rng: random.Random, m: Municipality, point_id: str, n: int, provider: str, location: str, hours: Hours, july: bool,
    open_from: dt.date, today: dt.date,
) -> Body:  # fmt: skip
    number = "" if n == 1 else f" {n}"
    remote = rng.random() < 0.55
    swedish_first = m.languages[0] == "sv"
    street = f"{'Exempelgatan' if swedish_first else 'Esimerkkikatu'} {rng.randint(1, 60)}"
    town = (m.sv if swedish_first else m.fi).upper()
    return {
        "provider_id": provider,
        "names": {
            "fi": f"Asiointipiste {m.fi}{number}",
            "sv": f"Servicepunkt {m.sv}{number}",
            "en": f"Service point {m.fi}{number}",
        },
        "municipality_code": m.code,
        "village": None if m.seat in (m.fi, m.sv) else m.seat,
        "region_code": m.region.code,
        "visiting_address": f"{street}, 00000 {town}",
        "postal_address": f"PL 00, 00000 {town}",
        "email": f"{point_id}@apudiaari.invalid",
        "phone": f"+358 00 000 {rng.randint(0, 9999):04d}",
        "responsible_title": "servicechef" if swedish_first else "palvelupäällikkö",
        "located_in": location,
        "accessible": rng.random() < 0.93,
        "confidential_room": rng.random() < 0.85,
        "remote_room": remote,
        "remote_equipment": remote or rng.random() < 0.2,
        "common_sign": rng.random() < 0.7,
        "in_preparation": False,
        "opening_hours": [{"weekday": d, "opens": _clock(a), "closes": _clock(b)} for d, a, b in hours],
        "opening_exceptions": "Suljettu heinäkuussa. – Stängt i juli." if july else None,
        "checked_on": max(open_from, today - dt.timedelta(days=rng.randint(1, 300))).isoformat(),
        "open_from": open_from.isoformat(),
    }
