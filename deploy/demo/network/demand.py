"""What is asked for at a point: tables from which one random number draws an act, a channel, a language.

Drawing from a table of fixed length costs one multiplication, so a million visits take seconds without a numeric
library.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, TypeVar

from deploy.demo.network.catalogue import CATALOGUE, GENERAL_GUIDANCE, MINUTES, Service, tasks_on
from deploy.demo.network.parties import authority_on, family_of, since
from deploy.demo.network.points import Point
from deploy.demo.network.tables import seeded
from deploy.demo.network.written import Agreement
from services.chassis.reference.municipalities import SAMI_HOMELAND, Municipality

SLOT_BITS = 9
SLOTS = 1 << SLOT_BITS
"""Length of every table; a share below 1/512 is rounded up to one slot or away."""
FAMILY_WEIGHTS = {
    "kela": 75, "vero": 60, "dvv": 48, "poliisi": 40, "te": 42, "ulosotto": 14, "lvv": 7, "migri": 16, "kunta": 20,
    "hyvinvointialue": 20,
}  # fmt: skip
TASK_WEIGHTS = {
    "identify": 10, "advise": 40, "appoint": 14, "receive_document": 30, "hand_out": 11, "collect_fee": 8,
    "support": 30, "sell": 2, "mandate": 12,
}  # fmt: skip
OWN_SHARE = 0.07
UNCOVERED_SHARE = 0.018
OUTSIDE_SCOPE = 0.08
"""How often a service outside the agreement is asked for, beside one inside it."""
CHANNELS = {"counter": 76.0, "phone": 11.0, "remote": 6.0, "post": 2.5, "drop_box": 2.0, "home_visit": 2.5}
CHANNEL_TASKS = {
    "counter": frozenset(TASK_WEIGHTS),
    "phone": frozenset({"advise", "support", "appoint"}),
    "remote": frozenset({"advise", "support", "appoint"}),
    "post": frozenset({"receive_document"}),
    "drop_box": frozenset({"receive_document"}),
    "home_visit": frozenset({"identify", "advise", "support", "receive_document", "hand_out"}),
}
PLACES = {
    "counter": "point", "phone": "phone", "remote": "link", "post": "point", "drop_box": "point", "home_visit": "home",
}  # fmt: skip

T = TypeVar("T")


class Act(NamedTuple):
    """What may be asked for; ``minutes`` is its typical length."""

    authority_id: str
    service: str
    task: str
    minutes: float


@dataclass(frozen=True, slots=True)
class Demand:
    """Tables of one point while its agreements stay as they are. ``acts`` is by channel."""

    channels: tuple[str, ...]
    acts: Mapping[str, tuple[Act, ...]]
    languages: tuple[str, ...]


def table(weights: Iterable[tuple[T, float]]) -> tuple[T, ...]:
    """``SLOTS`` entries in proportion to the weights."""
    pairs = list(weights)
    ends = list(accumulate(weight for _, weight in pairs))
    slots: list[T] = []
    for (value, _), end in zip(pairs, ends, strict=True):
        slots += [value] * (round(SLOTS * end / ends[-1]) - len(slots))
    return tuple(slots)


def lognormal_factors(sigma: float) -> tuple[float, ...]:
    """Factors around 1 with a long right tail, at evenly spread quantiles."""
    rng = seeded("lengths", sigma)
    return tuple(sorted(math.exp(rng.gauss(0, sigma)) for _ in range(SLOTS)))


def language_table(municipality: Municipality) -> tuple[str, ...]:
    """Languages of service by the languages of the municipality (R39)."""
    shares = {
        ("fi",): {"fi": 93.0, "sv": 1.0, "en": 4.0, "other": 2.0},
        ("fi", "sv"): {"fi": 80.0, "sv": 12.0, "en": 5.5, "other": 2.5},
        ("sv", "fi"): {"fi": 20.0, "sv": 75.0, "en": 3.5, "other": 1.5},
        ("sv",): {"fi": 5.0, "sv": 91.0, "en": 3.0, "other": 1.0},
    }[municipality.languages]
    if municipality.code in SAMI_HOMELAND:
        shares = {**shares, "fi": shares["fi"] - 12, "se": 12.0}
    return table(shares.items())


def make_demand(point: Point, agreements: Sequence[Agreement], day: dt.date) -> Demand:
    """What is asked for at ``point`` on ``day``, given the agreements in force there."""
    weighted = _normalised(list(_covered(point, agreements, day)), 1 - OWN_SHARE - UNCOVERED_SHARE)
    weighted += _normalised(list(_uncovered(point, agreements, day)), UNCOVERED_SHARE)
    weighted += _normalised(list(_own(point, day)), OWN_SHARE)
    acts = {channel: [(act, w) for act, w in weighted if act.task in tasks] for channel, tasks in CHANNEL_TASKS.items()}
    usable = {channel: share for channel, share in CHANNELS.items() if acts[channel] and _equipped(point, channel)}
    return Demand(
        channels=table(usable.items()),
        acts={channel: table(acts[channel]) for channel in usable},
        languages=language_table(point.municipality),
    )


def _equipped(point: Point, channel: str) -> bool:
    return channel != "remote" or bool(point.body["remote_equipment"])


def _normalised(weighted: list[tuple[Act, float]], share: float) -> list[tuple[Act, float]]:
    total = sum(weight for _, weight in weighted) or 1.0
    return [(act, weight * share / total) for act, weight in weighted]


def _acts(authority_id: str, service: Service, day: dt.date, weight: float) -> Iterable[tuple[Act, float]]:
    tasks = tasks_on(service, day)
    total = sum(TASK_WEIGHTS[task] for task in tasks)
    for task in tasks:
        share = service.weight * weight * TASK_WEIGHTS[task] / total
        yield Act(authority_id, service.code, task, MINUTES[task]), share


def _covered(point: Point, agreements: Sequence[Agreement], day: dt.date) -> Iterable[tuple[Act, float]]:
    """Acts for the commissioners: mostly what was agreed, at times a service that the agreement leaves out."""
    for agreement in agreements:
        agreed = {(s["authority_id"], s["code"]) for s in agreement.terms_on(day)["services"]}
        for commissioner in agreement.commissioner_ids:
            family = family_of(commissioner)
            authority = commissioner if family in ("kunta", "hyvinvointialue") else _now(family, point, day)
            for service in CATALOGUE[family]:
                if max(service.since, since(authority)) <= day:
                    inside = (commissioner, service.code) in agreed
                    weight = _weight(family) * (1 if inside else OUTSIDE_SCOPE)
                    yield from _acts(authority, service, day, weight)


def _weight(family: str) -> float:
    """A family's weight per unit of its services' weights."""
    return FAMILY_WEIGHTS[family] / sum(service.weight for service in CATALOGUE[family])


def _now(family: str, point: Point, day: dt.date) -> str:
    return authority_on(family, point.municipality.code, day)


def _uncovered(point: Point, agreements: Sequence[Agreement], day: dt.date) -> Iterable[tuple[Act, float]]:
    """Acts for authorities that have no agreement here: storable, never billed (R12)."""
    if point.municipality.on_aland:
        return
    covered = {family_of(party) for agreement in agreements for party in agreement.commissioner_ids}
    for family in ("kela", "vero", "poliisi", "dvv", "te", "lvv", "ulosotto", "migri"):
        authority = _now(family, point, day)
        if family not in covered and authority != point.provider_id:
            for service in CATALOGUE[family]:
                if max(service.since, since(authority)) <= day:
                    yield from _acts(authority, service, day, _weight(family))


def _own(point: Point, day: dt.date) -> Iterable[tuple[Act, float]]:
    """General guidance, and employment services where the provider itself has them (R7, R9)."""
    yield from _acts(point.provider_id, GENERAL_GUIDANCE, day, 12)
    if _now("te", point, day) == point.provider_id:
        for service in CATALOGUE["te"]:
            yield from _acts(point.provider_id, service, day, 1)
