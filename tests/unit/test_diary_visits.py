"""Visits, as the regulation reads: given what happened, when this is entered, then that is recorded, or refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from schemas.base import EventData
from schemas.diary import VisitCorrected, VisitRecorded, VisitVoided
from services.chassis.access import Principal, Role
from services.chassis.errors import ApudiaariError
from services.chassis.log.model import Command, Decision, StreamState
from services.diary import handlers
from services.diary.context import BatchContext
from services.diary.domain.entries import CorrectVisit, ImportVisit, RecordVisit, VoidVisit
from services.diary.domain.register import Register
from services.diary.handlers import HANDLERS
from tests.support import diary
from tests.support.diary import KELA_AGREEMENT, REGISTER_AGREEMENT, act, visit

SECRET = b"secret of the feeds"
VISIT = UUID("7f2c1b9e-0000-4000-8000-000000000001")
CHANGE = UUID("7f2c1b9e-0000-4000-8000-000000000002")
NOW = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)
ADVISER = Principal("aino", "https://issuer", frozenset({Role.ADVISER}), "kunta-732", frozenset({diary.SALLA}))
EVERYWHERE = Principal(
    "eino", "https://issuer", frozenset({Role.ADVISER}), "kunta-732", frozenset({diary.SALLA, diary.KEMIJARVI})
)


def decide(
    command: Command, given: Sequence[EventData] = (), register: Register | None = None, now: dt.datetime = NOW
) -> Decision:
    """Given the events of the visit, decide the command."""
    value = None
    for event in given:
        value = handlers.evolve(value, event)
    streams, decision = HANDLERS[type(command.payload)]
    states = dict.fromkeys(streams(command), StreamState(len(given), value))
    return decision(SECRET, command, states, BatchContext(register or diary.register(), {}), now)


def record(body: dict[str, Any], who: Principal = ADVISER, **options: Any) -> VisitRecorded:
    decision = decide(handlers.visit_command(VISIT, RecordVisit.model_validate(body), who), **options)
    (event,) = decision.events
    assert isinstance(event.data, VisitRecorded)
    assert event.key == event.data.service_point_id
    return event.data


def refusal(body: dict[str, Any], **options: Any) -> ApudiaariError:
    with pytest.raises(ApudiaariError) as caught:
        record(body, **options)
    return caught.value


def recorded(**changes: Any) -> VisitRecorded:
    return record(visit(**changes))


# Recording


def test_a_visit_is_recorded_with_its_acts_and_helsinki_facts() -> None:
    event = record(visit(acts=[act(), act(authority_id="vero", service="verokortti", task="identify", quantity=2)]))
    assert (event.visit_id, event.service_point_id, event.provider_id) == (VISIT, diary.SALLA, "kunta-732")
    assert (event.visit.service_day, event.visit.hour, event.visit.place) == (dt.date(2026, 11, 24), 10, "point")
    assert [(each.act_no, each.authority_id, each.quantity) for each in event.visit.acts] == [
        (1, "kela", 1),
        (2, "vero", 2),
    ]
    assert event.visit.late is None


def test_the_recorder_is_a_pseudonym() -> None:
    assert "aino" not in record(visit()).model_dump_json()


@pytest.mark.parametrize(
    ("occurred", "day", "hour"),
    [
        ("2026-03-29T00:30:00+00:00", dt.date(2026, 3, 29), 2),
        ("2026-03-29T01:30:00+00:00", dt.date(2026, 3, 29), 4),
        ("2026-10-25T00:30:00+00:00", dt.date(2026, 10, 25), 3),
        ("2026-10-25T01:30:00+00:00", dt.date(2026, 10, 25), 3),
        ("2026-10-31T21:59:59+00:00", dt.date(2026, 10, 31), 23),
        ("2026-10-31T22:00:00+00:00", dt.date(2026, 11, 1), 0),
    ],
)
def test_the_service_day_is_helsinkis_also_when_the_clocks_change(occurred: str, day: dt.date, hour: int) -> None:
    facts = record(visit(occurred_at=occurred, late_reason="forgotten")).visit
    assert (facts.service_day, facts.hour) == (day, hour)


@pytest.mark.parametrize(
    ("channel", "place"),
    [("counter", "point"), ("phone", "phone"), ("remote", "link"), ("home_visit", "home"), ("drop_box", "point")],
)
def test_the_place_follows_from_the_channel(channel: str, place: str) -> None:
    assert record(visit(acts=[act(channel=channel)])).visit.place == place


def test_what_came_by_drop_box_has_no_customer_and_nothing_else_may() -> None:
    box = act(channel="drop_box", task="receive_document")
    assert record(visit(customers=0, acts=[box])).visit.customers == 0
    assert refusal(visit(customers=0, acts=[box, act()])).code == "customers_missing"


# Late entries (R15)


def test_an_entry_on_a_later_helsinki_day_says_why_and_is_marked_with_the_days() -> None:
    """KHO:2016:158: occurred 30.12., recorded 5.1."""
    late = visit(occurred_at="2026-10-30T10:00:00+02:00")
    assert refusal(late).code == "late_reason_missing"
    marked = record({**late, "late_reason": "paper_notes"}).visit.late
    assert marked is not None
    assert (marked.reason, marked.days) == ("paper_notes", 25)


def test_midnight_in_helsinki_not_in_greenwich_makes_an_entry_late() -> None:
    just_before_midnight = visit(occurred_at="2026-11-24T21:50:00+00:00")
    assert record(just_before_midnight, now=dt.datetime(2026, 11, 24, 21, 59, tzinfo=dt.UTC)).visit.late is None
    after = dt.datetime(2026, 11, 24, 22, 1, tzinfo=dt.UTC)
    assert refusal(just_before_midnight, now=after).code == "late_reason_missing"


# Coverage (D7, R12)


def coverage(day: str, **changes: Any) -> tuple[str, UUID | None, int | None]:
    body = visit(occurred_at=f"{day}T10:00:00+02:00", late_reason="forgotten", acts=[act(**changes)])
    found = record(body).visit.acts[0].coverage
    return found.status, found.agreement_id, found.agreement_version


def test_coverage_is_the_terms_in_force_on_the_day_of_the_visit() -> None:
    assert coverage("2026-11-23") == ("in_force", KELA_AGREEMENT, 2)
    assert coverage("2025-12-31") == ("in_force", KELA_AGREEMENT, 1)
    assert coverage("2019-12-31") == ("none", None, None)


def test_a_service_outside_the_terms_is_outside_scope_until_it_is_amended_in() -> None:
    assert coverage("2025-12-31", service="elakkeet") == ("outside_scope", KELA_AGREEMENT, 1)
    assert coverage("2026-01-01", service="elakkeet") == ("in_force", KELA_AGREEMENT, 2)


def test_a_task_outside_the_terms_is_outside_scope() -> None:
    assert coverage("2026-11-23", task="collect_fee") == ("outside_scope", KELA_AGREEMENT, 2)


def test_an_act_for_an_authority_without_an_agreement_is_recorded_all_the_same() -> None:
    assert coverage("2026-11-23", authority_id="poliisi", service="passi", task="appoint")[0] == "none"


def test_the_providers_own_service_is_its_own() -> None:
    assert coverage("2026-11-23", authority_id="kunta-732", service="yleisneuvonta") == ("own", None, None)


def test_coverage_says_which_news_it_knew() -> None:
    register = diary.register()
    assert record(visit(), register=register).visit.acts[0].coverage.agreements_position == register.position


def test_a_successor_takes_over_agreement_and_catalogue() -> None:
    taken = coverage("2026-11-23", authority_id="dvv", service="otteet", task="hand_out")
    assert taken == ("in_force", REGISTER_AGREEMENT, 1)
    assert coverage("2019-12-31", authority_id="maistraatti", service="otteet", task="hand_out")[0] == "in_force"


def test_a_terminated_agreement_covers_its_last_day_and_no_more() -> None:
    kela = diary.signed(KELA_AGREEMENT, "kela", diary.terms("kela:asumistuki"), dt.date(2020, 1, 1))
    register = diary.register([*diary.small_register(), diary.terminated(kela, dt.date(2026, 11, 22))])
    for day, status in (("2026-11-22", "in_force"), ("2026-11-23", "none")):
        late = visit(occurred_at=f"{day}T10:00:00+02:00", late_reason="forgotten")
        assert record(late, register=register).visit.acts[0].coverage.status == status


def test_a_backdated_amendment_rules_from_its_day_on() -> None:
    """Version 3, signed later, takes effect before version 2 and replaces it."""
    kela = diary.signed(KELA_AGREEMENT, "kela", diary.terms("kela:asumistuki"), dt.date(2020, 1, 1))
    third = diary.amended(kela, 3, diary.terms("kela:elakkeet"), dt.date(2025, 7, 1))
    register = diary.register([*diary.small_register(), third])
    for day, found in (
        ("2025-06-30", ("in_force", 1)),
        ("2025-07-01", ("outside_scope", 3)),
        ("2026-11-23", ("outside_scope", 3)),
    ):
        late = visit(occurred_at=f"{day}T10:00:00+02:00", late_reason="forgotten")
        known = record(late, register=register).visit.acts[0].coverage
        assert (known.status, known.agreement_version) == found


# Refusals: each its own code and place


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"service_point_id": "piste-999-1"}, "unknown_service_point", "/service_point_id"),
        ({"occurred_at": "2026-11-24T11:02:00+02:00"}, "in_future", "/occurred_at"),
        ({"occurred_at": "2009-12-31T10:00:00+02:00"}, "before_point_opened", "/occurred_at"),
        ({"service_point_id": diary.KEMIJARVI}, "after_point_closed", "/occurred_at"),
        ({"customers": -1}, "customers_out_of_range", "/customers"),
        ({"customers": 501}, "customers_out_of_range", "/customers"),
        ({"customers": 0}, "customers_missing", "/customers"),
        ({"language": "de"}, "unknown_language", "/language"),
        ({"language_asked": "de"}, "unknown_language", "/language_asked"),
        ({"place": "moon"}, "unknown_place", "/place"),
        ({"late_reason": "lazy"}, "unknown_late_reason", "/late_reason"),
        ({"acts": [act(quantity=0)]}, "quantity_out_of_range", "/acts/0/quantity"),
        ({"acts": [act(quantity=-3)]}, "quantity_out_of_range", "/acts/0/quantity"),
        ({"acts": [act(quantity=1000)]}, "quantity_out_of_range", "/acts/0/quantity"),
        ({"acts": [act(), act(minutes=-1)]}, "minutes_out_of_range", "/acts/1/minutes"),
        ({"acts": [act(minutes=1441)]}, "minutes_out_of_range", "/acts/0/minutes"),
        ({"acts": [act(channel="pigeon")]}, "unknown_channel", "/acts/0/channel"),
        ({"acts": [act(performed_by="robot")]}, "unknown_performer", "/acts/0/performed_by"),
        ({"acts": [act(task="start_matter")]}, "unknown_task", "/acts/0/task"),
        ({"acts": [act(authority_id="nasa")]}, "unknown_authority", "/acts/0/authority_id"),
        ({"acts": [act(authority_id="maistraatti", service="otteet")]}, "authority_succeeded", "/acts/0/authority_id"),
        (
            {"acts": [act(authority_id="te-toimisto", service="tyonhaku")]},
            "authority_succeeded",
            "/acts/0/authority_id",
        ),
        ({"acts": [act(service="kuuraketti")]}, "unknown_service", "/acts/0/service"),
    ],
)
def test_bad_input_has_its_own_code_and_place(changes: dict[str, Any], code: str, pointer: str) -> None:
    found = refusal(visit(**changes), who=EVERYWHERE)
    assert (found.status, found.code, found.errors[0].pointer) == (422, code, pointer)


def test_the_refusal_names_the_successor() -> None:
    assert "dvv" in refusal(visit(acts=[act(authority_id="maistraatti", service="otteet")])).detail


def test_everything_wrong_is_said_at_once() -> None:
    found = refusal(visit(customers=-1, language="de", acts=[act(quantity=0), act(channel="pigeon")]))
    assert [each.code for each in found.errors] == [
        "customers_out_of_range",
        "unknown_language",
        "quantity_out_of_range",
        "unknown_channel",
    ]


@pytest.mark.parametrize(
    ("day", "known", "unknown"),
    [
        ("2017-05-31", {"start_matter", "support"}, {"advise", "appoint", "sell", "mandate"}),
        ("2017-06-01", {"advise", "appoint", "sell", "mandate"}, {"start_matter"}),
    ],
)
def test_the_tasks_are_those_of_the_law_on_the_day(day: str, known: set[str], unknown: set[str]) -> None:
    """R4: 247/2017 came into force on 1.6.2017."""
    for task in known | unknown:
        body = visit(occurred_at=f"{day}T10:00:00+03:00", late_reason="other", acts=[act(task=task)])
        if task in known:
            assert record(body).visit.acts[0].task == task
        else:
            assert refusal(body).code == "unknown_task"


def test_an_authority_is_unknown_before_it_begins() -> None:
    body = visit(occurred_at="2006-01-01T10:00:00+02:00", late_reason="other")
    assert "unknown_authority" in [each.code for each in refusal(body).errors]


def test_an_id_once_used_is_used_up() -> None:
    assert refusal(visit(), given=[recorded()]).code == "id_reused"


# Rights


def test_an_adviser_records_at_its_own_point_only() -> None:
    assert refusal(visit(service_point_id=diary.KEMIJARVI)).status == 403


def test_own_staff_record_their_own_authority_only() -> None:
    staff = Principal("oona", "https://issuer", frozenset({Role.OWN_STAFF}), "kela", frozenset({diary.SALLA}))
    assert record(visit(), who=staff).visit.acts[0].authority_id == "kela"
    mixed = visit(acts=[act(), act(authority_id="vero", service="verokortti")])
    assert refusal(mixed, who=staff).status == 403


def test_a_provider_imports_at_its_points_but_does_not_record() -> None:
    provider = Principal("petra", "https://issuer", frozenset({Role.PROVIDER}), "kunta-732")
    assert refusal(visit(), who=provider).status == 403
    imported = decide(handlers.visit_command(VISIT, ImportVisit.model_validate(visit()), provider))
    assert isinstance(imported.events[0].data, VisitRecorded)
    other = Principal("paavo", "https://issuer", frozenset({Role.PROVIDER}), "kunta-091")
    with pytest.raises(ApudiaariError, match="forbidden"):
        decide(handlers.visit_command(VISIT, ImportVisit.model_validate(visit()), other))


# Corrections and voids (R16)


def change(body: dict[str, Any], given: Sequence[EventData], based_on: int = 1, **options: Any) -> EventData:
    payload = CorrectVisit.model_validate(
        {"id": CHANGE, "based_on": based_on, "reason": options.pop("reason", "mistake"), "visit": body}
    )
    return decide(handlers.change_command(VISIT, payload, ADVISER), given, **options).events[0].data


def void(given: Sequence[EventData], based_on: int = 1, reason: str = "duplicate", **options: Any) -> EventData:
    payload = VoidVisit(id=CHANGE, based_on=based_on, reason=reason)
    return decide(handlers.change_command(VISIT, payload, ADVISER), given, **options).events[0].data


def test_a_correction_carries_before_and_after_and_the_version_it_replaces() -> None:
    first = recorded()
    event = change(visit(acts=[act(authority_id="vero", service="verokortti")]), [first], reason="wrong_authority")
    assert isinstance(event, VisitCorrected)
    assert (event.before, event.replaces, event.reason) == (first.visit, 1, "wrong_authority")
    assert event.after.acts[0].authority_id == "vero"


def test_a_second_correction_is_based_on_the_first() -> None:
    first = recorded()
    second = change(visit(customers=2), [first])
    third = change(visit(customers=3), [first, second], based_on=2)
    assert isinstance(third, VisitCorrected)
    assert third.before.customers == 2


def test_a_stale_correction_is_refused_with_the_current_version() -> None:
    first = recorded()
    given = [first, change(visit(customers=2), [first])]
    with pytest.raises(ApudiaariError) as caught:
        change(visit(customers=3), given, based_on=1)
    assert (caught.value.status, caught.value.code) == (409, "stale")
    assert "version is 2" in caught.value.detail


def test_the_coverage_of_an_act_left_alone_is_what_was_known_first() -> None:
    first = recorded()
    later = diary.register([*diary.small_register(), diary.party("vero")])
    event = change(visit(customers=2, acts=[act(), act(service="elakkeet")]), [first], register=later)
    assert isinstance(event, VisitCorrected)
    known = [each.coverage.agreements_position for each in event.after.acts]
    assert known == [first.visit.acts[0].coverage.agreements_position, later.position]


def test_a_correction_keeps_the_mark_of_a_late_entry() -> None:
    first = record(visit(occurred_at="2026-11-20T10:00:00+02:00", late_reason="outage"))
    event = change(visit(occurred_at="2026-11-19T10:00:00+02:00"), [first])
    assert isinstance(event, VisitCorrected)
    assert event.after.late is not None
    assert (event.after.late.reason, event.after.late.days) == ("outage", 5)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (visit(service_point_id=diary.KEMIJARVI), "service_point_fixed"),
        (visit(), "nothing_changed"),
        (visit(acts=[act(quantity=0)]), "quantity_out_of_range"),
    ],
)
def test_what_a_correction_may_not_do(body: dict[str, Any], code: str) -> None:
    with pytest.raises(ApudiaariError) as caught:
        change(body, [recorded()])
    assert caught.value.code == code
    assert caught.value.errors[0].pointer.startswith("/visit")


def test_a_void_takes_the_visit_back_and_ends_it() -> None:
    first = recorded()
    event = void([first])
    assert isinstance(event, VisitVoided)
    assert (event.before, event.replaces, event.reason) == (first.visit, 1, "duplicate")
    for again in (lambda: void([first, event], based_on=2), lambda: change(visit(), [first, event], based_on=2)):
        with pytest.raises(ApudiaariError, match="voided"):
            again()


def test_what_is_not_there_is_not_found() -> None:
    with pytest.raises(ApudiaariError, match="unknown_visit"):
        void([])


def test_a_reason_is_of_the_list() -> None:
    with pytest.raises(ApudiaariError, match="unknown_reason"):
        void([recorded()], reason="whim")
