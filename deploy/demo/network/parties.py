"""Parties: authorities with their successors, employment areas, counties, and the municipalities that keep points.

Business ids are synthetic: they run from 9000000, a range from which none has been given (the register's numbers still
begin with 0–3), with a check digit that fits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import uuid5

from deploy.demo.network.catalogue import (
    AUTHORITIES,
    COUNTIES,
    JOINT_SERVICE_SINCE,
    NATIONAL_SUCCESSIONS,
    RENAMES,
    TE_REFORM,
    Authority,
)
from deploy.demo.network.commands import NAMESPACE, Body, Command
from services.chassis.ids_fi import business_id_check_digit
from services.chassis.reference.municipalities import Municipality, municipalities, regions

SYNTHETIC_BUSINESS_IDS_FROM = 9_000_000
OWN_EMPLOYMENT_AREAS = frozenset({"091", "049"})
"""Helsinki and Espoo keep their employment services themselves, so there successor and provider are one (R9)."""


@dataclass(frozen=True, slots=True)
class Succession:
    """``municipality_codes`` is empty where the whole country is meant."""

    party_id: str
    successor_id: str
    on: dt.date
    municipality_codes: tuple[str, ...] = ()


def municipality_party(code: str) -> str:
    return f"kunta-{code}"


def employment_area(code: str) -> str:
    """Who has had the employment services of a municipality since the reform; the division by regions is synthetic."""
    if code in OWN_EMPLOYMENT_AREAS:
        return municipality_party(code)
    return f"te-alue-{municipalities()[code].region.code}"


def successions() -> tuple[Succession, ...]:
    by_area: dict[str, list[str]] = {}
    for code, municipality in municipalities().items():
        if not municipality.on_aland:
            by_area.setdefault(employment_area(code), []).append(code)
    national = (Succession(*each) for each in NATIONAL_SUCCESSIONS)
    areas = (Succession("te-toimisto", area, TE_REFORM, tuple(codes)) for area, codes in sorted(by_area.items()))
    return (*national, *areas)


def authority_on(family: str, code: str, day: dt.date) -> str:
    """The authority of a family that serves municipality ``code`` on ``day``."""
    if family == "te":
        return "te-toimisto" if day < TE_REFORM else employment_area(code)
    current = {"dvv": ("maistraatti", "dvv"), "lvv": ("avi", "lvv")}.get(family)
    if current is None:
        return family
    before, after = current
    change = next(on for party, _, on in NATIONAL_SUCCESSIONS if party == before)
    return before if day < change else after


def since(party_id: str) -> dt.date:
    """The first day on which a party exists."""
    known = {a.id: a.since for a in (*AUTHORITIES, *COUNTIES)}
    return TE_REFORM if party_id.startswith("te-alue-") else known.get(party_id, JOINT_SERVICE_SINCE)


def family_of(party_id: str) -> str:
    if party_id.startswith("te-alue-"):
        return "te"
    return {a.id: a.family for a in (*AUTHORITIES, *COUNTIES)}.get(party_id, "kunta")


def kind_of(party_id: str) -> str:
    """``kela``, ``state``, ``wellbeing_county``, ``municipality`` or ``joint_municipal`` (R1)."""
    if party_id.startswith("te-alue-"):
        return "joint_municipal"
    return {a.id: a.kind for a in (*AUTHORITIES, *COUNTIES)}.get(party_id, "municipality")


def party_commands(codes: Iterable[str]) -> list[Command]:
    """One PUT per party: authorities, counties, employment areas, then the municipalities ``codes``."""
    numbers = _business_ids()
    everyone = (*AUTHORITIES, *COUNTIES, *_employment_areas(), *map(_municipality, sorted(codes)))
    return [Command("PUT", f"/api/parties/{a.id}", _body(a, next(numbers))) for a in everyone]


def rename_commands() -> list[Command]:
    return [
        Command(
            "POST",
            f"/api/parties/{r.party_id}/renaming",
            {
                "id": _command_id(r.party_id, r.on),
                "names": {"fi": r.fi, "sv": r.sv, "en": r.en},
                "effective_from": r.on.isoformat(),
            },
        )
        for r in RENAMES
    ]


def succession_commands() -> list[Command]:
    return [
        Command(
            "POST",
            f"/api/parties/{s.party_id}/succession",
            {
                "id": _command_id(s.party_id, s.successor_id),
                "successor_id": s.successor_id,
                "effective_from": s.on.isoformat(),
                "municipality_codes": list(s.municipality_codes) or None,
            },
        )
        for s in successions()
    ]


def _command_id(*parts: object) -> str:
    return str(uuid5(NAMESPACE, "/".join(map(str, parts))))


def _business_ids() -> Iterator[str]:
    for number in range(SYNTHETIC_BUSINESS_IDS_FROM, SYNTHETIC_BUSINESS_IDS_FROM + 1_000_000):
        check = business_id_check_digit(str(number))
        if check is not None:
            yield f"{number}-{check}"


def _employment_areas() -> Iterator[Authority]:
    for region in regions().values():
        if region.code != "21":
            yield Authority(
                f"te-alue-{region.code}",
                "te",
                "joint_municipal",
                f"Työllisyysalue, {region.fi} (synteettinen aluejako)",
                f"Sysselsättningsområdet, {region.sv} (syntetisk indelning)",
                f"Employment area, {region.fi} (synthetic division)",
                TE_REFORM,
            )


def _municipality(code: str) -> Authority:
    m: Municipality = municipalities()[code]
    return Authority(
        municipality_party(code),
        "kunta",
        "municipality",
        f"{m.fi}, kunta",
        f"{m.sv}, kommun",
        f"Municipality of {m.fi}",
    )


def _body(authority: Authority, business_id: str) -> Body:
    code = authority.id.removeprefix("kunta-") if authority.family == "kunta" else None
    return {
        "kind": authority.kind,
        "family": authority.family,
        "names": {"fi": authority.fi, "sv": authority.sv, "en": authority.en},
        "business_id": business_id,
        "municipality_code": code,
        "valid_from": authority.since.isoformat(),
    }
