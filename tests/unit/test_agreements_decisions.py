"""Agreements as 223/2007 and R1–R9 say: given what is recorded, when somebody wishes, then events or a refusal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest

from schemas import agreements as events
from schemas.agreements import ITEMS
from schemas.base import EventData
from services.agreements.domain import agreements as decide
from services.agreements.domain import parties, points
from services.agreements.domain.commands import (
    AmendAgreement,
    ChangePoint,
    ClosePoint,
    DefineService,
    ProposeAgreement,
    RedraftAgreement,
    RegisterParty,
    RegisterPoint,
    RenameParty,
    SucceedParty,
    TerminateAgreement,
)
from services.agreements.domain.register import Register
from services.agreements.domain.sides import end_of, parties_on, waiting_for
from services.chassis.errors import ApudiaariError

TODAY = dt.date(2026, 11, 24)
DAY = dt.date(2024, 1, 1)
ONE, TWO = UUID(int=1), UUID(int=2)
NAMES = {"fi": "Nimi", "sv": "Namn", "en": "Name"}


def party(party_id: str, kind: str = "state", family: str | None = None, since: str = "2007-04-01") -> EventData:
    body = {"kind": kind, "family": family or party_id, "names": NAMES, "valid_from": since}
    return events.PartyRegistered.model_validate({"party_id": party_id, "party": body})


def point_body(provider: str = "kunta-732", code: str = "732", region: str = "19", **changes: Any) -> dict[str, Any]:
    return {
        "provider_id": provider, "names": NAMES, "municipality_code": code, "region_code": region,
        "visiting_address": "Esimerkkikatu 1", "located_in": "town_hall", "accessible": True, "confidential_room": True,
        "remote_room": False, "remote_equipment": False, "common_sign": True,
        "opening_hours": [{"weekday": 1, "opens": "09:00", "closes": "16:00"}], "checked_on": "2026-10-01",
        "open_from": "2012-03-01", **changes,
    }  # fmt: skip


def point(point_id: str, **changes: Any) -> EventData:
    body = {"service_point_id": point_id, "point": point_body(**changes)}
    return events.ServicePointRegistered.model_validate(body)


def service(authority: str, code: str, since: str = "2007-04-01", until: str | None = None) -> EventData:
    return events.ServiceDefined.model_validate(
        {
            "authority_id": authority, "code": code, "names": NAMES, "tasks": ["identify"], "standard": True,
            "valid_from": since, "valid_until": until,
        }
    )  # fmt: skip


def succeeded(party_id: str, successor: str, since: str, *codes: str) -> EventData:
    return events.PartySucceeded(
        party_id=party_id, successor_id=successor, effective_from=dt.date.fromisoformat(since),
        municipality_codes=codes or None,
    )  # fmt: skip


BASE = (
    party("kunta-732", "municipality", "kunta"), party("kunta-005", "municipality", "kunta"),
    party("kela", "kela"), party("vero"), party("maistraatti", family="dvv"),
    party("dvv", family="dvv", since="2020-01-01"), party("te-toimisto", family="te"),
    party("te-alue-19", "municipal", "te", "2025-01-01"), party("hva-lappi", "wellbeing_county", since="2023-01-01"),
    party("yhdistys", "third_sector"), party("yritys", "private"),
    point("piste-732-1"), point("piste-005-1", provider="kunta-005", code="005", region="14"),
    service("kela", "asumistuki"), service("kela", "elakkeet"), service("vero", "verokortti"),
    service("maistraatti", "otteet"), service("dvv", "otteet", "2020-01-01"), service("te-toimisto", "tyonhaku"),
    service("hva-lappi", "sote-neuvonta", "2023-01-01"),
)  # fmt: skip


def given(*more: EventData) -> Register:
    register = Register()
    for event in (*BASE, *more):
        register.apply(event)
    return register


def terms(services: Iterable[str] = ("kela:asumistuki",), **changes: Any) -> dict[str, Any]:
    refs = [dict(zip(("authority_id", "code"), each.split(":"), strict=True)) for each in services]
    return {
        "tasks": ["advise", "receive_document"], "services": refs, "items": dict.fromkeys(ITEMS, "Sovittu."),
        "pendency": {"at_receipt": True}, "tariffs": [tariff("t1", authority_id=refs[0]["authority_id"])], **changes,
    }  # fmt: skip


def tariff(
    item: str, kind: str = "per_act", authority_id: str = "kela", price: str = "6.40", **more: Any
) -> dict[str, Any]:
    return {"item": item, "kind": kind, "authority_id": authority_id, "price": price, **more}


def draft(**changes: Any) -> ProposeAgreement:
    body = {
        "provider_id": "kunta-732", "commissioner_ids": ["kela"], "service_point_ids": ["piste-732-1"],
        "valid_from": "2024-01-01", "signed_on": "2023-12-10", "terms": terms(), **changes,
    }  # fmt: skip
    return ProposeAgreement.model_validate(body)


def propose(register: Register, agreement_id: UUID = ONE, **changes: Any) -> EventData:
    event = decide.propose(register, agreement_id, draft(**changes), TODAY)
    register.apply(event)
    return event


def approve(register: Register, by: str | None, version: int = 1, agreement_id: UUID = ONE) -> list[str]:
    decided = decide.approve(register, agreement_id, version, by, "staff-1234", TODAY)
    for event in decided:
        register.apply(event)
    return [type(event).__name__ for event in decided]


def signed(*parties_: str, register: Register | None = None, agreement_id: UUID = ONE, **changes: Any) -> Register:
    register = register or given()
    propose(register, agreement_id, **changes)
    for each in parties_ or ("kunta-732", "kela"):
        approve(register, each, 1, agreement_id)
    return register


def amend(register: Register, effective_from: str, by: str = "kunta-732", **changes: Any) -> EventData:
    body = {"effective_from": effective_from, "terms": terms(tariffs=[tariff("t1", price="7.00")]), **changes}
    event = decide.amend(register, ONE, AmendAgreement.model_validate(body), by, TODAY)
    register.apply(event)
    return event


def terminate(register: Register, last_day: str, notice_on: str = "2024-05-01", by: str = "kela") -> EventData:
    command = TerminateAgreement.model_validate({"last_day": last_day, "notice_on": notice_on})
    event = decide.terminate(register, ONE, command, by, TODAY)
    register.apply(event)
    return event


class refused:
    """The block is refused with this code at this place, and with no other."""

    def __init__(self, code: str, pointer: str | None = None) -> None:
        self.code, self.pointer = code, pointer

    def __enter__(self) -> None:
        self._raises = pytest.raises(ApudiaariError)
        self._caught = self._raises.__enter__()

    def __exit__(self, *error: Any) -> bool:
        done = self._raises.__exit__(*error)
        found = {(each.pointer, each.code) for each in self._caught.value.errors}
        assert self._caught.value.code == self.code, self._caught.value
        assert self.pointer is None or (self.pointer, self.code) in found, found
        return bool(done)


# R1: who may be a party


@pytest.mark.parametrize("kind", ["third_sector", "private"])
def test_tenants_are_refused_in_both_roles(kind: str) -> None:
    tenant = "yhdistys" if kind == "third_sector" else "yritys"
    with refused("party_kind_refused", "/commissioner_ids/0"):
        propose(given(), commissioner_ids=[tenant])
    with refused("party_kind_refused", "/provider_id"):
        propose(given(), provider_id=tenant)


def test_a_wellbeing_county_is_accepted_from_2023_only() -> None:
    wanted = {"commissioner_ids": ["hva-lappi"], "terms": terms(["hva-lappi:sote-neuvonta"])}
    with refused("wellbeing_county_too_early", "/commissioner_ids/0"):
        propose(given(), valid_from="2022-12-31", **wanted)
    assert propose(given(), valid_from="2023-01-01", **wanted)
    with refused("wellbeing_county_too_early", "/valid_from"):
        body = {"kind": "wellbeing_county", "family": "hva", "names": NAMES, "valid_from": "2022-12-31"}
        parties.register_party(given(), "hva-oulu", RegisterParty.model_validate(body))


@pytest.mark.parametrize(("number", "code"), [("0112038-9", None), ("0112038-8", "business_id_wrong")])
def test_a_business_id_must_fit_its_check_digit(number: str, code: str | None) -> None:
    body = {"kind": "state", "family": "xx", "names": NAMES, "business_id": number, "valid_from": "2020-01-01"}
    command = RegisterParty.model_validate(body)
    if code is None:
        assert parties.register_party(given(), "uusi", command).party.business_id == number
    else:
        with refused(code, "/business_id"):
            parties.register_party(given(), "uusi", command)


def test_an_unknown_kind_or_municipality_is_refused() -> None:
    body = {"kind": "church", "family": "xx", "names": NAMES, "municipality_code": "999", "valid_from": "2020-01-01"}
    with refused("kind_unknown", "/kind"):
        parties.register_party(given(), "uusi", RegisterParty.model_validate(body))


# R2: the twelve items; two-party approval


def test_a_draft_may_lack_items_but_cannot_be_approved() -> None:
    register = given()
    items = dict.fromkeys(ITEMS, "Sovittu.") | {"staff": "  "}
    del items["training"]
    propose(register, terms=terms(items=items))
    with refused("items_missing", "/terms/items/staff"):
        approve(register, "kela")
    with refused("items_missing", "/terms/items/training"):
        approve(register, "kela")
    assert register.agreements[ONE].versions[1].approvals == set()


def test_nothing_is_in_force_before_every_side_has_approved() -> None:
    register = given()
    propose(register, commissioner_ids=["kela", "vero"], terms=terms(["kela:asumistuki", "vero:verokortti"]))
    assert approve(register, "kunta-732") == ["AgreementApproved"]
    assert approve(register, "kela") == ["AgreementApproved"]
    assert not register.agreements[ONE].in_force
    assert waiting_for(register, register.agreements[ONE].versions[1], TODAY) == ["vero"]
    assert approve(register, "vero") == ["AgreementApproved", "AgreementSigned"]
    assert [each.version for each in register.agreements[ONE].in_force] == [1]


def test_approving_again_changes_nothing() -> None:
    register = given()
    propose(register)
    approve(register, "kela")
    assert approve(register, "kela") == []
    assert approve(register, "kunta-732") == ["AgreementApproved", "AgreementSigned"]
    assert approve(register, "kela") == []


@pytest.mark.parametrize("stranger", ["vero", "kunta-005", None])
def test_a_third_party_sees_no_agreement_to_approve(stranger: str | None) -> None:
    register = given()
    propose(register)
    for agreement_id in (ONE, TWO):  # The one that exists and the one that does not: the same answer.
        with refused("not_a_party"):
            approve(register, stranger, 1, agreement_id)


def test_a_new_draft_takes_the_place_of_the_old_and_of_its_approvals() -> None:
    register = given()
    propose(register)
    approve(register, "kela")
    body = draft(terms=terms(tariffs=[tariff("t1", price="9.00")])).model_dump() | {"based_on": 1}
    register.apply(decide.redraft(register, ONE, RedraftAgreement.model_validate(body), "kunta-732", TODAY))
    with refused("stale", "/version"):
        approve(register, "kunta-732", 1)
    with refused("stale", "/based_on"):
        decide.redraft(register, ONE, RedraftAgreement.model_validate(body), "kunta-732", TODAY)
    assert approve(register, "kunta-732", 2) == ["AgreementApproved"]
    assert approve(register, "kela", 2) == ["AgreementApproved", "AgreementSigned"]


def test_a_version_that_was_never_proposed_is_stale() -> None:
    with refused("stale", "/version"):
        approve(signed(), "kela", 2)


# R2, R3: points, dates


def test_points_must_be_in_the_providers_control_and_open() -> None:
    with refused("point_not_of_provider", "/service_point_ids/1"):
        propose(given(), service_point_ids=["piste-732-1", "piste-005-1"])
    with refused("point_unknown", "/service_point_ids/0"):
        propose(given(), service_point_ids=["piste-999-1"])
    with refused("point_not_open", "/service_point_ids/0"):
        propose(given(), valid_from="2012-02-29", terms=terms(tasks=["receive_document"]))
    with refused("point_not_open"):
        propose(given(events.ServicePointClosed(service_point_id="piste-732-1", last_day=dt.date(2023, 12, 31))))


def test_the_last_day_is_not_before_the_first_nor_the_first_before_the_act() -> None:
    with refused("dates_reversed", "/valid_until"):
        propose(given(), valid_until="2023-12-31")
    assert propose(given(), valid_until="2024-01-01")
    with refused("before_the_act", "/valid_from"):
        propose(given(), valid_from="2007-03-31")


# R4: tasks by date


def test_tasks_are_those_of_the_section_on_the_day() -> None:
    old = {"valid_from": "2017-05-31", "terms": terms(tasks=["advise"], pendency={"at_receipt": False})}
    with refused("task_unknown", "/terms/tasks/0"):
        propose(given(), **old)
    assert propose(given(), **old | {"valid_from": "2017-06-01"})
    with refused("task_unknown", "/terms/tasks/0"):
        propose(given(), terms=terms(tasks=["start_matter"], pendency={"at_receipt": False}))


def test_mandates_are_a_task_of_the_population_register_only() -> None:
    mandate = {"tasks": ["mandate"], "pendency": {"at_receipt": False}}
    with refused("task_not_of_commissioner", "/terms/tasks/0"):
        propose(given(), terms=terms(**mandate))
    dvv = terms(["dvv:otteet"], **mandate)
    assert propose(given(succeeded("maistraatti", "dvv", "2020-01-01")), commissioner_ids=["dvv"], terms=dvv)


# R7, R9


def test_nobody_commissions_oneself() -> None:
    with refused("provider_is_commissioner", "/commissioner_ids/0"):
        propose(given(), commissioner_ids=["kunta-732"])


def test_an_authority_that_has_passed_its_tasks_on_cannot_begin_an_agreement() -> None:
    register = given(succeeded("maistraatti", "dvv", "2020-01-01"))
    with refused("party_succeeded", "/commissioner_ids/0"):
        propose(register, commissioner_ids=["maistraatti"], terms=terms(["maistraatti:otteet"]))


def test_a_successor_takes_over_and_acts_in_its_predecessors_agreement() -> None:
    old = {"commissioner_ids": ["maistraatti"], "terms": terms(["maistraatti:otteet"]), "valid_from": "2018-01-01"}
    register = signed("kunta-732", "maistraatti", **old)
    register.apply(succeeded("maistraatti", "dvv", "2020-01-01"))
    assert parties_on(register, register.agreements[ONE].agreement, TODAY) == {"kunta-732", "maistraatti", "dvv"}
    amend(register, "2021-01-01", terms=terms(["dvv:otteet"]))
    assert approve(register, "kunta-732", 2) == ["AgreementApproved"]
    assert approve(register, "dvv", 2) == ["AgreementApproved", "AgreementAmended"]


def test_papers_of_an_authority_that_has_ceased_are_entered_later() -> None:
    register = given(succeeded("maistraatti", "dvv", "2020-01-01"))
    old = {"commissioner_ids": ["maistraatti"], "terms": terms(["maistraatti:otteet"]), "valid_from": "2018-01-01"}
    propose(register, **old)
    approve(register, "maistraatti")
    assert approve(register, "kunta-732") == ["AgreementApproved", "AgreementSigned"]


def test_succession_by_area_gives_the_agreement_to_the_successor_of_its_place_only() -> None:
    te = {"commissioner_ids": ["te-toimisto"], "terms": terms(["te-toimisto:tyonhaku"])}
    register = signed("kunta-732", "te-toimisto", **te)
    register.apply(succeeded("te-toimisto", "te-alue-19", "2025-01-01", "732"))
    register.apply(succeeded("te-toimisto", "kunta-005", "2025-01-01", "005"))
    assert "te-alue-19" in parties_on(register, register.agreements[ONE].agreement, TODAY)
    assert "kunta-005" not in parties_on(register, register.agreements[ONE].agreement, TODAY)
    assert "te-alue-19" not in parties_on(register, register.agreements[ONE].agreement, dt.date(2024, 12, 31))


def test_an_agreement_ends_where_the_successor_is_its_provider() -> None:
    te = {"commissioner_ids": ["te-toimisto"], "terms": terms(["te-toimisto:tyonhaku"])}
    register = signed("kunta-732", "te-toimisto", **te)
    register.apply(succeeded("te-toimisto", "kunta-732", "2025-01-01", "732"))
    assert end_of(register, register.agreements[ONE]) == dt.date(2024, 12, 31)
    with refused("amendment_gap", "/effective_from"):
        amend(register, "2025-01-01", terms=te["terms"])


def test_where_the_successor_is_the_provider_the_former_authority_still_signs_its_old_paper() -> None:
    register = given(succeeded("te-toimisto", "kunta-732", "2025-01-01", "732"))
    propose(register, commissioner_ids=["te-toimisto"], terms=terms(["te-toimisto:tyonhaku"]))
    assert approve(register, "kunta-732") == ["AgreementApproved"]
    assert approve(register, "te-toimisto") == ["AgreementApproved", "AgreementSigned"]


def test_successions_make_no_ring_and_pass_each_place_once() -> None:
    register = given(succeeded("maistraatti", "dvv", "2020-01-01"))
    back = SucceedParty(successor_id="maistraatti", effective_from=dt.date(2026, 1, 1))
    with refused("succession_ring", "/successor_id"):
        parties.succeed_party(register, "dvv", back)
    with refused("succession_twice", "/municipality_codes"):
        again = SucceedParty(successor_id="vero", effective_from=dt.date(2026, 1, 1), municipality_codes=("732",))
        parties.succeed_party(register, "maistraatti", again)
    with refused("party_unknown", "/successor_id"):
        parties.succeed_party(register, "vero", SucceedParty(successor_id="olematon", effective_from=DAY))


def test_history_keeps_the_old_name() -> None:
    register = given()
    later = RenameParty.model_validate({"names": NAMES | {"fi": "Uusi"}, "effective_from": "2020-12-01"})
    register.apply(parties.rename_party(register, "vero", later))
    assert [(day.year, names.fi) for day, names in register.parties["vero"].names] == [(2007, "Nimi"), (2020, "Uusi")]
    with refused("before_party", "/effective_from"):
        early = RenameParty.model_validate({"names": NAMES, "effective_from": "2007-03-31"})
        parties.rename_party(register, "vero", early)


# A2: tariffs price each act once


@pytest.mark.parametrize(
    ("tariffs", "code", "pointer"),
    [
        ([tariff("a"), tariff("b")], "tariff_ambiguous", "/terms/tariffs/1"),
        ([tariff("a"), tariff("a", service="asumistuki")], "tariff_item_twice", "/terms/tariffs/1"),
        ([tariff("a", "per_hour")], "tariff_kind_unknown", "/terms/tariffs/0/kind"),
        ([tariff("a", authority_id="vero")], "tariff_not_of_commissioner", "/terms/tariffs/0/authority_id"),
        ([tariff("a", service="elakkeet")], "tariff_service_outside", "/terms/tariffs/0/service"),
        ([tariff("a", task="sell")], "tariff_task_outside", "/terms/tariffs/0/task"),
        ([tariff("a", channel="fax")], "channel_unknown", "/terms/tariffs/0/channel"),
        ([tariff("a", included=10)], "tariff_included", "/terms/tariffs/0/included"),
        ([tariff("a", "included_then_per_act")], "tariff_included", "/terms/tariffs/0/included"),
        ([tariff("a", "fixed_monthly", service="asumistuki")], "tariff_fixed_narrowed", "/terms/tariffs/0"),
        ([tariff("a", payer_id="yritys")], "payer_unknown", "/terms/tariffs/0/payer_id"),
    ],
)
def test_a_tariff_that_cannot_be_applied_is_refused(tariffs: list[dict[str, Any]], code: str, pointer: str) -> None:
    with refused(code, pointer):
        propose(given(), terms=terms(tariffs=tariffs))


def test_narrow_items_may_stand_beside_general_ones_and_fixed_fees_beside_both() -> None:
    beside = [
        tariff("a"), tariff("b", service="asumistuki"), tariff("c", task="receive_document"),
        tariff("d", channel="phone"), tariff("e", "fixed_monthly", price="120.00"), tariff("f", "fixed_monthly"),
        tariff("g", "included_then_per_act", service="asumistuki", task="advise", included=10),
        tariff("h", "per_minute", channel="remote", price="0.5817", payer_id="vero"),
    ]  # fmt: skip
    assert propose(given(), terms=terms(tariffs=beside))


@pytest.mark.parametrize("price", ["6.4", "6,40", "-1.00", "6.40000", "06.40"])
def test_a_price_has_two_to_four_decimals_and_no_sign(price: str) -> None:
    with pytest.raises(ValueError, match="price"):
        draft(terms=terms(tariffs=[tariff("a", price=price)]))


def test_services_are_of_the_commissioners_catalogue_on_the_day() -> None:
    with refused("service_unknown", "/terms/services/0"):
        propose(given(), terms=terms(["kela:olematon"]))
    with refused("service_not_of_commissioner", "/terms/services/1"):
        propose(given(), terms=terms(["kela:asumistuki", "vero:verokortti"]))
    with refused("service_twice", "/terms/services/1"):
        propose(given(), terms=terms(["kela:asumistuki", "kela:asumistuki"]))
    ended = service("kela", "opintotuki", until="2023-12-31")
    with refused("service_unknown"):
        propose(given(ended), terms=terms(["kela:opintotuki"]))


def test_vat_is_a_rate_or_a_reason_and_pendency_needs_its_task() -> None:
    for vat in ({"rate": "25.5", "exempt_reason": "other"}, {"rate": None}):
        with refused("vat_unclear", "/terms/vat"):
            propose(given(), terms=terms(vat=vat))
    assert propose(given(), terms=terms(vat={"rate": "25.5"}))
    with refused("pendency_without_task", "/terms/pendency/at_receipt"):
        propose(given(), terms=terms(tasks=["advise"]))


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ApudiaariError) as caught:
        propose(given(), provider_id="yritys", terms=terms(tasks=["fly"], tariffs=[tariff("a", "per_hour")]))
    codes = [each.code for each in caught.value.errors]
    assert {"party_kind_refused", "task_unknown", "tariff_kind_unknown", "pendency_without_task"} <= set(codes)


# Coverage: no act is priced by two agreements


def test_two_agreements_never_cover_the_same_on_the_same_day() -> None:
    register = signed(valid_until="2024-12-31")
    propose(register, TWO, valid_from="2024-12-31")
    approve(register, "kela", 1, TWO)
    with refused("agreement_overlap", "/terms/services"):
        approve(register, "kunta-732", 1, TWO)
    assert not register.agreements[TWO].in_force


def test_an_earlier_agreement_may_not_reach_the_first_day_of_a_later_one() -> None:
    register = signed(valid_from="2024-12-31")
    for agreement_id, last_day in ((TWO, "2024-12-31"), (UUID(int=3), "2024-12-30")):
        propose(register, agreement_id, valid_until=last_day)
        approve(register, "kela", 1, agreement_id)
    with refused("agreement_overlap"):
        approve(register, "kunta-732", 1, TWO)
    assert approve(register, "kunta-732", 1, UUID(int=3))[-1] == "AgreementSigned"


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_from": "2025-01-01"},
        {"terms": terms(["kela:elakkeet"])},
        {"commissioner_ids": ["vero"], "terms": terms(["vero:verokortti"])},
    ],
)
def test_the_next_day_another_service_or_another_commissioner_is_no_overlap(changes: dict[str, Any]) -> None:
    register = signed(valid_until="2024-12-31")
    propose(register, TWO, **changes)
    approve(register, changes.get("commissioner_ids", ["kela"])[0], 1, TWO)
    assert approve(register, "kunta-732", 1, TWO)[-1] == "AgreementSigned"


def test_an_amendment_may_not_reach_into_anothers_coverage() -> None:
    register = signed(register=signed(), agreement_id=TWO, terms=terms(["kela:elakkeet"]))
    with refused("agreement_overlap"):
        amend(register, "2024-06-01", terms=terms(["kela:asumistuki", "kela:elakkeet"]))


def test_a_service_that_an_amendment_gave_up_is_free_for_another_agreement() -> None:
    register = signed(terms=terms(["kela:asumistuki", "kela:elakkeet"]))
    amend(register, "2024-06-01")
    approve(register, "kela", 2)
    approve(register, "kunta-732", 2)
    propose(register, TWO, valid_from="2024-06-01", terms=terms(["kela:elakkeet"]))
    approve(register, "kela", 1, TWO)
    assert approve(register, "kunta-732", 1, TWO)[-1] == "AgreementSigned"


def test_an_agreement_that_a_successor_took_over_counts_as_the_successors() -> None:
    old = {"commissioner_ids": ["maistraatti"], "terms": terms(["maistraatti:otteet"]), "valid_from": "2018-01-01"}
    register = signed("kunta-732", "maistraatti", **old)
    register.apply(succeeded("maistraatti", "dvv", "2020-01-01"))
    propose(register, TWO, commissioner_ids=["dvv"], terms=terms(["dvv:otteet"]))
    approve(register, "dvv", 1, TWO)
    with refused("agreement_overlap"):
        approve(register, "kunta-732", 1, TWO)


# R5: amendments


def test_an_amendment_is_in_force_only_when_every_side_has_approved() -> None:
    register = signed()
    assert amend(register, "2024-07-01").version == 2  # type: ignore[attr-defined]
    assert approve(register, "kela", 2) == ["AgreementApproved"]
    assert [each.version for each in register.agreements[ONE].in_force] == [1]
    assert approve(register, "kunta-732", 2) == ["AgreementApproved", "AgreementAmended"]


def test_an_amendment_may_reach_back_to_the_first_day_but_not_outside_the_agreement() -> None:
    assert amend(signed(), "2024-01-01")
    for outside in ("2023-12-31", "2025-01-01"):
        with refused("amendment_gap", "/effective_from"):
            amend(signed(valid_until="2024-12-31"), outside)
    ended = signed()
    terminate(ended, "2024-09-30")
    with refused("amendment_gap"):
        amend(ended, "2024-10-01")
    assert amend(ended, "2024-09-30")


def test_one_amendment_is_open_at_a_time_unless_it_replaces_the_open_one() -> None:
    register = signed()
    amend(register, "2024-07-01")
    with refused("amendment_overlap", "/replaces"):
        amend(register, "2024-08-01")
    assert amend(register, "2024-08-01", replaces=2).version == 3  # type: ignore[attr-defined]
    with refused("stale"):
        approve(register, "kela", 2)
    with refused("stale", "/replaces"):
        amend(signed(), "2024-08-01", replaces=9)


def test_an_amendment_that_changes_nothing_is_refused() -> None:
    with refused("amendment_changes_nothing", "/terms"):
        amend(signed(), "2024-01-01", terms=terms())


def test_a_draft_cannot_be_amended_or_terminated() -> None:
    register = given()
    propose(register)
    with refused("not_in_force"):
        amend(register, "2024-07-01")
    with refused("not_in_force"):
        terminate(register, "2024-07-01")


def test_an_amendment_needs_the_twelve_items_too() -> None:
    register = signed()
    amend(register, "2024-07-01", terms=terms(items={"parties": "Sovittu."}))
    with refused("items_missing", "/terms/items/other"):
        approve(register, "kela", 2)


# R3: termination


def test_notice_gives_the_last_day_within_the_agreement_and_once() -> None:
    with refused("termination_before_start", "/last_day"):
        terminate(signed(), "2023-12-31", "2023-12-01")
    with refused("termination_after_end", "/last_day"):
        terminate(signed(valid_until="2024-12-31"), "2025-01-01")
    with refused("in_the_future", "/notice_on"):
        terminate(signed(), "2027-06-30", "2026-11-25")
    with refused("dates_reversed", "/notice_on"):
        terminate(signed(), "2024-04-30", "2024-05-01")
    register = signed()
    terminate(register, "2024-12-31")
    assert end_of(register, register.agreements[ONE]) == dt.date(2024, 12, 31)
    with refused("already_terminated"):
        terminate(register, "2024-12-31")
    with refused("not_a_party"):
        terminate(register, "2024-12-31", by="vero")


# Points and services


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"region_code": "06"}, "region_wrong", "/region_code"),
        ({"municipality_code": "999"}, "municipality_unknown", "/municipality_code"),
        ({"located_in": "moon"}, "location_unknown", "/located_in"),
        ({"checked_on": "2026-11-25"}, "in_the_future", "/checked_on"),
        ({"opening_hours": [{"weekday": 1, "opens": "16:00", "closes": "09:00"}]}, "opening_hours_wrong", None),
        ({"provider_id": "yritys"}, "party_kind_refused", "/provider_id"),
    ],
)
def test_a_point_with_wrong_data_is_refused(changes: dict[str, Any], code: str, pointer: str | None) -> None:
    with refused(code, pointer):
        points.register_point(given(), "piste-732-2", RegisterPoint.model_validate(point_body() | changes), TODAY)


def test_a_point_never_moves_nor_changes_hands_but_by_succession() -> None:
    def change(register: Register, **changes: Any) -> EventData:
        body = {"effective_from": "2025-01-01", "point": point_body(**changes)}
        return points.change_point(register, "piste-732-1", ChangePoint.model_validate(body), TODAY)

    with refused("point_moved", "/point/municipality_code"):
        change(given(), code="005", region="14")
    with refused("provider_fixed", "/point/provider_id"):
        change(given(), provider="kela")
    assert change(given(succeeded("kunta-732", "kunta-005", "2025-01-01")), provider="kunta-005")
    assert change(given(), phone="+358 00 000 0000")


def test_a_point_closes_once_after_it_opened() -> None:
    with refused("before_opening", "/last_day"):
        points.close_point(given(), "piste-732-1", ClosePoint(last_day=dt.date(2012, 2, 29)))
    with refused("point_unknown", "/successor_id"):
        points.close_point(given(), "piste-732-1", ClosePoint(last_day=DAY, successor_id="piste-732-1"))
    register = given()
    register.apply(points.close_point(register, "piste-732-1", ClosePoint(last_day=DAY)))
    with refused("already_closed"):
        points.close_point(register, "piste-732-1", ClosePoint(last_day=DAY))


def test_a_service_has_tasks_of_its_day_and_an_authority() -> None:
    def define(authority: str, **changes: Any) -> EventData:
        body = {"names": NAMES, "tasks": ["advise"], "standard": True, "valid_from": "2020-01-01", **changes}
        return points.define_service(given(), authority, "uusi", DefineService.model_validate(body))

    assert define("kela")
    with refused("task_unknown", "/tasks/0"):
        define("kela", valid_from="2017-05-31")
    with refused("party_kind_refused"):
        define("yhdistys")
    with refused("party_unknown"):
        define("olematon")
    with refused("dates_reversed", "/valid_until"):
        define("kela", valid_until="2019-12-31")
