"""The synthetic network: deterministic, whole, and accepted by the register's own rules without one refusal."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import combinations
from uuid import UUID

import pytest

from deploy.demo.network import SYNTHETIC, TENANT, Network
from schemas.agreements import ITEMS
from services.agreements.domain import agreements as rules
from services.agreements.domain import commands as requests
from services.agreements.requests import command_of
from services.chassis.access import Principal
from services.chassis.errors import ApudiaariError
from services.chassis.ids_fi import check_business_id
from services.chassis.reference.municipalities import municipalities, regions
from tests.support.network import TODAY, apply, network, register

LISTS = ("parties", "renames", "successions", "points", "services", "agreements", "amendments", "terminations")


def test_the_same_seed_makes_the_same_network() -> None:
    again = Network.make(1, today=TODAY)
    assert [getattr(again, name) for name in LISTS] == [getattr(network(), name) for name in LISTS]
    assert [c.body for c in Network.make(2, today=TODAY).points] != [c.body for c in network().points]


def test_sizes() -> None:
    made = network()
    assert len(made.points) == len({c.subject for c in made.points}) == 200
    assert 540 <= len(made.written) <= 660
    assert 180 <= len({p.municipality.code for p in made.service_points}) <= 195
    families = {c.body["family"] for c in made.parties} - {"kunta", "hyvinvointialue"}
    assert families == {"kela", "vero", "poliisi", "dvv", "te", "lvv", "ulosotto", "migri"}


@pytest.mark.parametrize(
    ("seed", "today"), [(1, TODAY), (2, TODAY), (3, dt.date(2026, 7, 31)), (4, dt.date(2027, 2, 28))]
)
def test_the_register_accepts_every_command(seed: int, today: dt.date) -> None:
    known = register(seed, today)
    assert len(known.agreements) == len(network(seed, today).written)
    assert all(record.in_force and record.open_version is None for record in known.agreements.values())


def test_every_request_is_known_and_has_an_id_of_its_own() -> None:
    """Each means one command, and none would be taken for a repeat of another (design.md §4)."""
    ids = Counter(
        command_of(c.method, c.path, c.body, Principal("test", "test", frozenset(), c.party_id)).id
        for c in network().commands()
    )
    assert set(ids.values()) == {1}
    assert all("id" in c.body for c in network().commands() if c.method == "POST")


def test_points_are_in_every_region_and_salla_has_one() -> None:
    places = {p.id: p for p in network().service_points}
    assert {p.municipality.region.code for p in places.values()} == set(regions())
    salla = places["piste-732-1"]
    assert salla.provider_id == "kunta-732"
    for authority in ("kela", "vero"):
        agreement = network().agreement_for("piste-732-1", authority, TODAY)
        assert agreement and agreement.ends is None
        assert agreement.valid_from < TODAY - dt.timedelta(days=365)
        assert agreement.terms_on(TODAY)["pendency"]["at_receipt"]
    small = [p for p in places.values() if p.weekly == 3.0]
    assert len(small) >= 50
    assert all(len({day for day, _, _ in p.hours}) in (2, 3) for p in small)


def test_nothing_can_be_taken_for_real() -> None:
    for command in network().points:
        assert command.body["email"].endswith(".invalid")
        assert ", 00000 " in command.body["visiting_address"]
        assert command.body["phone"].startswith("+358 00 ")
    for command in network().parties:
        check_business_id(command.body["business_id"])
        assert command.body["business_id"].startswith("9")
    assert set(SYNTHETIC) == {"fi", "sv", "en"}


def test_no_two_agreements_cover_the_same_on_one_day() -> None:
    """Said without the register's help: by point and family, the periods of the agreements lie apart."""
    families = {c.subject: c.body["family"] for c in network().parties}
    periods: dict[tuple[str, str], list[tuple[dt.date, dt.date]]] = {}
    for a in network().written:
        for point in a.service_point_ids:
            for commissioner in a.commissioner_ids:
                key = point, families[commissioner]
                periods.setdefault(key, []).append((a.valid_from, a.ends or dt.date.max))
    assert any(len(each) > 1 for each in periods.values()), "no pair has a second agreement, so this proves nothing"
    for key, each in periods.items():
        for (first, last), (other_first, other_last) in combinations(each, 2):
            assert last < other_first or other_last < first, key


def test_agreements_are_of_every_kind() -> None:
    written = network().written
    tariffs = [t for a in written for v in a.versions for t in v.terms["tariffs"]]
    kinds = Counter(t["kind"] for t in tariffs)
    assert set(kinds) == {"per_act", "per_started_minute", "per_minute", "fixed_monthly", "included_then_per_act"}
    assert any(t["payer_id"] for t in tariffs)
    amendments = [v for a in written for v in a.versions if v.number > 1]
    assert any(v.signed_on > v.effective_from for v in amendments), "no amendment is backdated"
    assert any(v.signed_on <= v.effective_from for v in amendments)
    assert any(v.effective_from > TODAY for v in amendments)
    assert any(len(a.commissioner_ids) > 1 for a in written)
    assert any(len(a.service_point_ids) > 1 for a in written)
    assert any(a.last_day for a in written) and any(a.valid_until and a.valid_until < TODAY for a in written)
    assert {v.terms["pendency"]["at_receipt"] for a in written for v in a.versions} == {True, False}
    assert any(a.provider_id == "kela" and a.commissioner_ids[0].startswith("kunta-") for a in written)
    assert any(a.provider_id.startswith("hva-") for a in written)
    assert all(set(v.terms["items"]) == set(ITEMS) for a in written for v in a.versions)


def test_agreements_were_taken_over_by_successors_or_ended() -> None:
    def of(predecessor: str) -> list[str | None]:
        changes = {"te-toimisto": dt.date(2025, 1, 1), "maistraatti": dt.date(2020, 1, 1), "avi": dt.date(2026, 1, 1)}
        ends = [a.ends for a in network().written if predecessor in a.commissioner_ids]
        return ["after" if end is None or end >= changes[predecessor] else "before" for end in ends]

    for predecessor in ("te-toimisto", "maistraatti"):
        assert set(of(predecessor)) == {"after", "before"}
    helsinki = [a for a in network().written if a.provider_id == "kunta-091" and a.commissioner_ids == ("te-toimisto",)]
    assert all(a.ends and a.ends < dt.date(2025, 1, 1) for a in helsinki)
    assert "kunta-091" in {c.body["successor_id"] for c in network().successions}


def test_some_pairs_are_deliberately_without_an_agreement() -> None:
    covered = [p.id for p in network().service_points if network().agreement_for(p.id, "poliisi", TODAY)]
    assert 20 < len(covered) < 180


def test_every_point_has_an_agreement_in_force() -> None:
    covered = {point for a in network().written if a.covers(TODAY) for point in a.service_point_ids}
    assert covered == {p.id for p in network().service_points}


def test_a_tenant_is_refused_as_party_to_an_agreement() -> None:
    known = register()
    apply(known, TENANT, TODAY) if TENANT.subject not in known.parties else None
    draft = next(c for c in network().agreements if c.method == "PUT")
    body = {**draft.body, "commissioner_ids": [TENANT.subject]}
    with pytest.raises(ApudiaariError) as refused:
        rules.propose(known, UUID(int=1), requests.ProposeAgreement(**body), TODAY)
    assert "party_kind_refused" in {error.code for error in refused.value.errors}


def test_the_network_needs_its_authorities_to_exist() -> None:
    with pytest.raises(ValueError, match="2026-06-01"):
        Network.make(1, today=dt.date(2026, 5, 31))


def test_every_municipality_of_a_succession_is_known_once() -> None:
    te = [c.body["municipality_codes"] for c in network().successions if c.subject == "te-toimisto"]
    codes = [code for each in te for code in each]
    assert sorted(codes) == sorted(m.code for m in municipalities().values() if not m.on_aland)
