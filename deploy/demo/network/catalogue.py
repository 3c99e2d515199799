"""The principal authorities, their successions in time, and the services they have advisers do.

Names and dates of authorities are facts (domain.md A.5). The catalogue of services (``catalogue.csv``) is synthetic:
its names are those of real benefits and permits, but which of them an authority has made *standard*, and for which
tasks, is invented for the demonstration.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from deploy.demo.network.tables import rows

JOINT_SERVICE_SINCE = dt.date(2007, 4, 1)
"""When 223/2007 came into force; what is older is registered as if from that day."""
TASKS_2007 = ("identify", "receive_document", "hand_out", "collect_fee", "support", "start_matter")
TASKS_2017_SINCE = dt.date(2017, 6, 1)
MINUTES = {
    "identify": 4, "advise": 14, "appoint": 6, "receive_document": 7, "hand_out": 5, "collect_fee": 5, "support": 19,
    "sell": 4, "mandate": 22,
}  # fmt: skip
"""Typical length of an act by task. Synthetic."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service in a family's catalogue. ``weight`` is how often it is asked for beside the others."""

    code: str
    fi: str
    sv: str
    en: str
    tasks: tuple[str, ...]
    standard: bool
    weight: int
    since: dt.date = JOINT_SERVICE_SINCE


@dataclass(frozen=True, slots=True)
class Authority:
    id: str
    family: str
    kind: str
    fi: str
    sv: str
    en: str
    since: dt.date = JOINT_SERVICE_SINCE


@dataclass(frozen=True, slots=True)
class Rename:
    party_id: str
    fi: str
    sv: str
    en: str
    on: dt.date


AUTHORITIES = (
    Authority(
        "kela", "kela", "kela", "Kansaneläkelaitos (Kela)", "Folkpensionsanstalten (FPA)",
        "Social Insurance Institution of Finland (Kela)",
    ),
    Authority("vero", "vero", "state", "Verohallinto", "Skatteförvaltningen", "Finnish Tax Administration"),
    Authority("poliisi", "poliisi", "state", "Poliisi", "Polisen", "Police of Finland"),
    Authority("maistraatti", "dvv", "state", "Maistraatti", "Magistraten", "Local Register Office"),
    Authority(
        "dvv", "dvv", "state", "Digi- ja väestötietovirasto", "Myndigheten för digitalisering och befolkningsdata",
        "Digital and Population Data Services Agency", dt.date(2020, 1, 1),
    ),
    Authority("te-toimisto", "te", "state", "TE-toimisto", "Arbets- och näringsbyrån", "TE Office"),
    Authority(
        "avi", "lvv", "state", "Aluehallintovirasto", "Regionförvaltningsverket",
        "Regional State Administrative Agency", dt.date(2010, 1, 1),
    ),
    Authority(
        "lvv", "lvv", "state", "Lupa- ja valvontavirasto", "Tillstånds- och tillsynsverket",
        "Finnish Supervisory Agency", dt.date(2026, 1, 1),
    ),
    Authority("ulosotto", "ulosotto", "state", "Ulosotto", "Utsökningen", "Enforcement Service"),
    Authority(
        "migri", "migri", "state", "Ulkomaalaisvirasto", "Utlänningsverket", "Directorate of Immigration",
    ),
)  # fmt: skip

COUNTIES = (
    Authority(
        "hva-lappi", "hyvinvointialue", "wellbeing_county", "Lapin hyvinvointialue", "Lapplands välfärdsområde",
        "Wellbeing Services County of Lapland", dt.date(2023, 1, 1),
    ),
    Authority(
        "hva-kainuu", "hyvinvointialue", "wellbeing_county", "Kainuun hyvinvointialue", "Kajanalands välfärdsområde",
        "Wellbeing Services County of Kainuu", dt.date(2023, 1, 1),
    ),
)  # fmt: skip

RENAMES = (
    Rename("migri", "Maahanmuuttovirasto", "Migrationsverket", "Finnish Immigration Service", dt.date(2008, 1, 1)),
    Rename("ulosotto", "Ulosottolaitos", "Utsökningsverket", "National Enforcement Authority", dt.date(2020, 12, 1)),
)

NATIONAL_SUCCESSIONS = (
    ("maistraatti", "dvv", dt.date(2020, 1, 1)),
    ("avi", "lvv", dt.date(2026, 1, 1)),
)
"""Predecessor, successor, first day. The TE office's successors are by area: see :mod:`deploy.demo.network.parties`."""
TE_REFORM = dt.date(2025, 1, 1)
"""Employment services passed to the municipalities and their employment areas (380/2023)."""


def _catalogue() -> dict[str, tuple[Service, ...]]:
    by_family: dict[str, list[Service]] = {}
    for row in rows("catalogue"):
        service = Service(
            row["code"], row["fi"], row["sv"], row["en"], tuple(row["tasks"].split()), row["standard"] == "yes",
            int(row["weight"]), dt.date.fromisoformat(row["since"]),
        )  # fmt: skip
        by_family.setdefault(row["family"], []).append(service)
    return {family: tuple(services) for family, services in by_family.items()}


CATALOGUE = _catalogue()
"""Services by family of authority. Predecessor and successor share a catalogue; a municipality has one of its own."""
GENERAL_GUIDANCE = CATALOGUE["own"][0]
"""The provider's own service for what belongs to no authority: counted, never billed (R7)."""


def tasks_on(service: Service, day: dt.date) -> tuple[str, ...]:
    """The tasks of a service that the law knew on ``day``: before 1.6.2017 the list of 2007 (R4)."""
    if day >= TASKS_2017_SINCE:
        return service.tasks
    kept = tuple(task for task in service.tasks if task in TASKS_2007)
    return kept or ("support",)
