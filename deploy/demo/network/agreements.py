"""Some six hundred written agreements over the years: renewed, amended, ended, taken over by successors.

Invariant: on no day do two agreements cover the same point, commissioner (or its successor) and service. That holds by
construction: per point and family of authority there is a chain of agreements, each starting after the last.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import uuid5

from deploy.demo.network.catalogue import TASKS_2017_SINCE, TE_REFORM
from deploy.demo.network.commands import NAMESPACE
from deploy.demo.network.parties import authority_on, family_of, municipality_party, since, successions
from deploy.demo.network.points import SALLA, Point
from deploy.demo.network.tables import seeded
from deploy.demo.network.terms import Offer, make_offer, make_terms
from deploy.demo.network.written import Agreement, Version

SHARES = {
    "kela": 0.95, "vero": 0.65, "dvv": 0.50, "poliisi": 0.34, "te": 0.26, "ulosotto": 0.13, "lvv": 0.11, "migri": 0.10,
}  # fmt: skip
"""How many points serve each family. Synthetic; the rest of the pairs are deliberately without an agreement."""
ALAND_FAMILIES = ("kela", "vero", "migri")
"""On Åland the other tasks belong to the province or to the State Department."""
ONE_DAY = dt.timedelta(days=1)


def make_agreements(seed: int, today: dt.date, points: Sequence[Point]) -> list[Agreement]:
    """All agreements, in the order in which they were made."""
    rng = seeded(seed, "agreements")
    made = [a for group in _by_provider(points) for a in _of_provider(rng, group, today)]
    made.sort(key=lambda a: (a.valid_from, a.id))
    for agreement in made:
        if not any(SALLA in point for point in agreement.service_point_ids):
            _amend(rng, agreement, today)
    return made


def _by_provider(points: Sequence[Point]) -> Iterator[list[Point]]:
    groups: dict[str, list[Point]] = {}
    for point in points:  # Authorities that keep points in several places agree on each by itself.
        key = point.provider_id if point.provider_id.startswith("kunta-") else point.id
        groups.setdefault(key, []).append(point)
    yield from groups.values()


def _families(rng: random.Random, point: Point) -> list[str]:
    if point.municipality.code == SALLA:
        return ["kela", "vero", "dvv", "poliisi"]
    wanted = [family for family, share in SHARES.items() if rng.random() < share]
    if point.municipality.on_aland:
        wanted = [family for family in wanted if family in ALAND_FAMILIES] or ["kela"]
    own = family_of(point.provider_id)
    if not point.provider_id.startswith("kunta-"):
        wanted.append("kunta")
    elif point.municipality.region.code in ("18", "19") and rng.random() < 0.3:
        wanted.append("hyvinvointialue")
    return [family for family in wanted if family != own] or ["vero"]


def _commissioner(family: str, point: Point, day: dt.date) -> str:
    if family == "kunta":
        return municipality_party(point.municipality.code)
    if family == "hyvinvointialue":
        return "hva-lappi" if point.municipality.region.code == "19" else "hva-kainuu"
    return authority_on(family, point.municipality.code, day)


def _of_provider(rng: random.Random, points: list[Point], today: dt.date) -> Iterator[Agreement]:
    """Agreements of one provider: usually one per family, at times several authorities in one.

    The first stays in force, so that no point is without any.
    """
    families = _families(rng, points[0])
    steady = True
    if len(families) >= 3 and rng.random() < 0.3 and points[0].municipality.code != SALLA:
        together = families[: rng.choice((2, 3))]
        yield from _chain(rng, points, [f for f in together if f != "te"], today, steady=True)
        steady = False
        families = [f for f in families if f not in together or f == "te"]
    for family in families:
        yield from _chain(rng, points, [family], today, steady=steady)
        steady = False


def _chain(
    rng: random.Random, points: list[Point], families: list[str], today: dt.date, *, steady: bool
) -> Iterator[Agreement]:
    """One agreement, or one after another, for the same points and families."""
    start = _start(rng, points, families, today)
    first = _agreement(rng, points, families, start)
    if first.provider_id in first.commissioner_ids:
        return
    draw = rng.random()
    old = points[0].municipality.code != SALLA and start < today - dt.timedelta(days=500)
    if _succeeded(first, today) and len(families) == 1 and _agreed_anew(rng, first, points[0], today):
        yield from _reformed(rng, first, points, families[0], today)
    elif old and draw < 0.09 and not steady:
        yield from _ended(rng, first, points, families, today, renewed=draw < 0.055)
    else:
        if old and rng.random() < 0.2:
            first.valid_until = _end_of_month(today + dt.timedelta(days=rng.randint(40, 700)))
        yield first


def _succeeded(agreement: Agreement, day: dt.date) -> bool:
    """Whether a commissioner has by ``day`` been succeeded by another authority."""
    return any(s.party_id in agreement.commissioner_ids and s.on <= day for s in successions())


def _agreed_anew(rng: random.Random, first: Agreement, point: Point, today: dt.date) -> bool:
    """Most agreements were made anew at a reform; the others stand, and the successor took them over (R9)."""
    successor = authority_on(family_of(first.commissioner_ids[0]), point.municipality.code, today)
    return successor == first.provider_id or rng.random() < 0.6


def _reformed(
    rng: random.Random, first: Agreement, points: list[Point], family: str, today: dt.date
) -> Iterator[Agreement]:
    """The old authority's agreement ends with it, and the successor makes its own, unless it is the provider itself."""
    change = since(authority_on(family, points[0].municipality.code, today))
    if change == since("kunta"):  # A municipality that took the TE office's tasks is older than the reform.
        change = TE_REFORM
    first.last_day, first.notice_on = change - ONE_DAY, change - dt.timedelta(days=100)
    following = _agreement(rng, points, [family], change)
    first.followed = following.provider_id not in following.commissioner_ids
    yield from (first, following) if first.followed else (first,)


def _ended(
    rng: random.Random, first: Agreement, points: list[Point], families: list[str], today: dt.date, *, renewed: bool
) -> Iterator[Agreement]:
    """A first agreement that has ended, by its own term or by notice, and perhaps the next, with or without a gap."""
    last = _end_of_month(today - dt.timedelta(days=rng.randint(31, 400)))
    if rng.random() < 0.5 or _succeeded(first, today):
        first.valid_until = last
    else:
        first.last_day, first.notice_on = last, last - dt.timedelta(days=rng.randint(92, 130))
    first.followed = renewed
    yield first
    if renewed:
        gap = rng.choice((0, 0, 0, 14))
        yield _agreement(rng, points, families, last + dt.timedelta(days=1 + gap))


def _start(rng: random.Random, points: list[Point], families: list[str], today: dt.date) -> dt.date:
    """A first of a month after the points opened and the authorities of that day existed; some from before 2017."""
    earliest = max(point.open_from for point in points)
    if "hyvinvointialue" in families or points[0].provider_id.startswith("hva-"):
        earliest = max(earliest, since("hva-lappi"))
    latest = today - dt.timedelta(days=100)
    if points[0].municipality.code == SALLA:
        return dt.date(2021, 1, 1)
    if earliest >= latest:
        return earliest
    floor = dt.date(2013, 1, 1) if rng.random() < 0.05 else dt.date(2017, 7, 1)
    earliest = max(earliest, floor)
    day = earliest + dt.timedelta(days=rng.randint(0, max(0, (latest - earliest).days)))
    return max(day.replace(day=1), earliest)


def _agreement(rng: random.Random, points: list[Point], families: list[str], start: dt.date) -> Agreement:
    ids = tuple(point.id for point in points)
    parties = tuple(_commissioner(family, points[0], start) for family in families)
    language = points[0].municipality.languages[0]
    offer = make_offer(rng, parties, language)
    if points[0].municipality.code == SALLA:  # The story needs a plain price and the pendency clause there.
        offer = replace(offer, plans=("per_act",), prices=(Decimal("6.40"),), pendency=True, closing_time="16:00")
    name = f"{','.join(ids)}/{','.join(parties)}/{start}"
    agreement = Agreement(str(uuid5(NAMESPACE, name)), points[0].provider_id, parties, ids, start, None, offer)
    signed = start - dt.timedelta(days=rng.randint(5, 45))
    agreement.versions.append(Version(1, start, signed, make_terms(offer, start)))
    return agreement


def _amend(rng: random.Random, agreement: Agreement, today: dt.date) -> None:
    """Amendments by dates: of the 2007 task list by law, of prices by the year, some of them signed afterwards."""
    if agreement.valid_from < TASKS_2017_SINCE and (agreement.ends is None or agreement.ends > dt.date(2018, 1, 1)):
        _add_version(agreement, dt.date(2018, 1, 1), dt.date(2017, 11, 15))
    if rng.random() > 0.14 or _succeeded(agreement, today):
        return
    for months_ago in sorted(rng.sample(range(-2, 30), rng.choice((1, 1, 2))), reverse=True):
        day = _first_of_month(today, months_ago)
        late = rng.random() < 0.3
        signed = day + dt.timedelta(days=rng.randint(10, 60) * (1 if late else -1))
        if agreement.versions[-1].effective_from < day and agreement.covers(day):
            agreement.offer = _changed(rng, agreement.offer)
            _add_version(agreement, day, min(signed, today))


def _changed(rng: random.Random, offer: Offer) -> Offer:
    """Prices a few per cent up, or another way to pay."""
    if rng.random() < 0.75:
        rise = Decimal(rng.randint(102, 109)) / 100
        return replace(offer, prices=tuple(price * rise for price in offer.prices))
    other = make_offer(rng, offer.commissioner_ids, offer.language)
    return replace(offer, plans=other.plans, extra=tuple(a | b for a, b in zip(offer.extra, other.extra, strict=True)))


def _add_version(agreement: Agreement, day: dt.date, signed: dt.date) -> None:
    number = agreement.versions[-1].number + 1
    agreement.versions.append(Version(number, day, signed, make_terms(agreement.offer, day)))


def _end_of_month(day: dt.date) -> dt.date:
    return (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - ONE_DAY


def _first_of_month(today: dt.date, months_ago: int) -> dt.date:
    months = today.year * 12 + today.month - 1 - months_ago
    return dt.date(months // 12, months % 12 + 1, 1)
