"""Documents received and forwarded, and what each authority is shown of it all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.authority import (
    AuthorityDocumentReceived,
    AuthorityVisitCorrected,
    AuthorityVisitRecorded,
    AuthorityVisitVoided,
)
from schemas.diary import DocumentForwarded, DocumentReceived, VisitRecorded
from services.chassis import ids
from services.chassis.access import Principal, Role
from services.chassis.errors import ApudiaariError
from services.chassis.evidence.canonical import strict_object
from services.chassis.evidence.commitment import open_sealed, opens, paper_form_bytes
from services.chassis.log.model import Decision, NewEvent, Placed, StreamState
from services.diary import handlers
from services.diary.context import BatchContext
from services.diary.domain.documents import KnownStamp
from services.diary.domain.entries import (
    CorrectVisit,
    ForwardDocument,
    ReceiveDocument,
    RecordVisit,
    VoidVisit,
)
from services.diary.handlers import HANDLERS, Secrets
from services.diary.staff import staff_ref
from tests.support import diary
from tests.support.diary import act, visit

SECRET = b"secret of the feeds"
VISIT, DOCUMENT, CHANGE = (UUID(int=number) for number in (1, 2, 3))
STAMP = UUID(int=4)
NOW = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)
STAMPED = NOW - dt.timedelta(minutes=5)
ADVISER = Principal("aino", "https://issuer", frozenset({Role.ADVISER}), "kunta-732", frozenset({diary.SALLA}))
RECEIVES = act(task="receive_document")
ME = staff_ref(SECRET, ADVISER)


def document(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "service_point_id": diary.SALLA,
        "authority_id": "kela",
        "kind": "application",
        "mode": "handed_over",
        "received_at": "2026-11-24T10:55:00+02:00",
        "visit_id": str(VISIT),
        "act_no": 1,
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def the_visit(*acts: dict[str, Any]) -> VisitRecorded:
    command = handlers.visit_command(VISIT, RecordVisit.model_validate(visit(acts=list(acts) or [RECEIVES])), ADVISER)
    return the_event(command, {}).data  # type: ignore[return-value]


def decide(command: Any, states: Mapping[str, StreamState], stamps: dict[UUID, KnownStamp] | None = None) -> Decision:
    streams, decision = HANDLERS[type(command.payload)]
    known = {stream: states.get(stream, StreamState()) for stream in streams(command)}
    return decision(SECRET, command, known, BatchContext(diary.register(), stamps or {}), NOW)


def the_event(command: Any, states: Mapping[str, StreamState]) -> NewEvent:
    (event,) = decide(command, states).events
    return event


def of_visit(*acts: dict[str, Any]) -> dict[str, StreamState]:
    return {f"visit:{VISIT}": StreamState(1, handlers.evolve(None, the_visit(*acts)))}


def receive(
    body: dict[str, Any],
    states: Mapping[str, StreamState] | None = None,
    stamp: KnownStamp | None = None,
    content: bytes | None = None,
) -> tuple[NewEvent, Secrets]:
    entry = ReceiveDocument.model_validate(body)
    command = handlers.document_command(DOCUMENT, entry, ADVISER, content)
    stamps = {stamp.stamp_id: stamp} if stamp else {}
    decision = decide(command, of_visit() if states is None else states, stamps)
    return decision.events[-1], command.private


def received(body: dict[str, Any], **options: Any) -> DocumentReceived:
    data = receive(body, **options)[0].data
    assert isinstance(data, DocumentReceived)
    return data


def refused(body: dict[str, Any], **options: Any) -> ApudiaariError:
    with pytest.raises(ApudiaariError) as caught:
        receive(body, **options)
    return caught.value


def stamp(**changes: Any) -> KnownStamp:
    values = {"stamp_id": STAMP, "service_point_id": diary.SALLA, "recorder": ME, "stamped_at": STAMPED}
    return KnownStamp(**{**values, **changes})


# Receiving (R18)


def test_a_paper_is_received_for_its_act_with_no_verdict() -> None:
    event = received(document())
    assert (event.authority_id, event.visit_id, event.act_no, event.verdict) == ("kela", VISIT, 1, None)
    assert event.received.earliest == event.received.latest
    assert event.stamp is None
    assert event.coverage.status == "in_force"


def test_a_drop_box_gives_bounds() -> None:
    between = {"from": "2026-11-23T16:00:00+02:00", "to": "2026-11-24T09:00:00+02:00"}
    event = received(document(received_at=None, mode="drop_box", received_between=between))
    assert event.received.earliest.isoformat() == between["from"]
    assert event.received.latest.isoformat() == between["to"]


def test_one_command_records_the_visit_and_the_document() -> None:
    body = document(visit=visit(acts=[RECEIVES]))
    command = handlers.document_command(DOCUMENT, ReceiveDocument.model_validate(body), ADVISER)
    events = decide(command, {}).events
    assert [type(each.data).__name__ for each in events] == ["VisitRecorded", "DocumentReceived"]
    assert [each.stream for each in events] == [f"visit:{VISIT}", f"document:{DOCUMENT}"]


def test_the_paper_is_committed_to_and_sealed_and_never_in_the_event() -> None:
    event, secrets = receive(document(paper={"title": "Asumistukihakemus", "sender": "Maija Meikäläinen"}))
    assert b"Meik" not in event.data.model_dump_json().encode()
    kept = strict_object(open_sealed(secrets.subject_key, secrets.sealed, handlers.sealed_place(DOCUMENT)))
    form = kept["form"]
    assert isinstance(form, dict)
    assert form["sender"] == "Maija Meikäläinen"
    assert isinstance(event.data, DocumentReceived)
    assert opens(event.data.commitment, bytes.fromhex(str(kept["key"])), paper_form_bytes(form))


def test_a_file_is_committed_to_by_its_bytes() -> None:
    event, secrets = receive(document(), content=b"%PDF-1.7 \x00")
    kept = strict_object(open_sealed(secrets.subject_key, secrets.sealed, handlers.sealed_place(DOCUMENT)))
    assert kept["over"] == "file"
    assert isinstance(event.data, DocumentReceived)
    assert opens(event.data.commitment, bytes.fromhex(str(kept["key"])), b"%PDF-1.7 \x00")
    assert not opens(event.data.commitment, bytes.fromhex(str(kept["key"])), b"%PDF-1.7 \x01")


# Stamps (KHO:2016:158)


def test_a_stamp_is_the_time_of_receipt() -> None:
    event = received(document(received_at=None, stamp_id=str(STAMP)), stamp=stamp())
    assert event.received.earliest == event.received.latest == STAMPED
    assert event.stamp is not None
    assert event.stamp.stamp_id == STAMP


def test_a_stamp_bounds_an_earlier_statement_from_above() -> None:
    event = received(document(received_at="2026-11-24T10:40:00+02:00", stamp_id=str(STAMP)), stamp=stamp())
    assert event.received.earliest.isoformat() == "2026-11-24T10:40:00+02:00"
    assert event.received.latest == STAMPED


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (None, "unknown_stamp"),
        (stamp(service_point_id=diary.KEMIJARVI), "unknown_stamp"),
        (stamp(recorder="somebody-else"), "stamp_of_another"),
        (stamp(used=True), "stamp_used"),
        (stamp(stamped_at=NOW - dt.timedelta(hours=2, seconds=1)), "stamp_expired"),
    ],
)
def test_a_stamp_is_used_once_soon_here_and_by_its_maker(known: KnownStamp | None, code: str) -> None:
    found = refused(document(received_at=None, stamp_id=str(STAMP)), stamp=known)
    assert found.code == code


def test_a_paper_cannot_come_after_its_stamp() -> None:
    found = refused(document(received_at="2026-11-24T10:57:00+02:00", stamp_id=str(STAMP)), stamp=stamp())
    assert found.code == "received_after_stamp"


# Refusals


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"act_no": 2}, "unknown_act", "/act_no"),
        ({"authority_id": "vero"}, "act_for_other_authority", "/authority_id"),
        ({"kind": "parcel"}, "unknown_kind", "/kind"),
        ({"mode": "pigeon"}, "unknown_mode", "/mode"),
        ({"received_at": None}, "received_missing", "/received_at"),
        ({"received_at": "2026-11-24T11:05:00+02:00"}, "in_future", "/received_at"),
        ({"received_at": "2026-11-20T11:05:00+02:00"}, "late_reason_missing", "/late_reason"),
        (
            {
                "received_at": None,
                "received_between": {"from": "2026-11-24T10:00:00+02:00", "to": "2026-11-24T09:00:00+02:00"},
            },
            "received_order",
            "/received_between/from",
        ),
        (
            {"received_between": {"from": "2026-11-24T08:00:00+02:00", "to": "2026-11-24T09:00:00+02:00"}},
            "received_twice",
            "/received_between",
        ),
    ],
)
def test_bad_input_has_its_own_code_and_place(changes: dict[str, Any], code: str, pointer: str) -> None:
    body = document(**changes)
    if "received_at" in changes and changes["received_at"] is None:
        body.pop("received_at", None)
    found = refused(body)
    assert (found.status, found.code, found.errors[0].pointer) == (422, code, pointer)


def test_a_document_needs_its_visit_and_an_act_that_receives() -> None:
    assert refused(document(), states={}).code == "unknown_visit"
    assert refused(document(), states=of_visit(act())).code == "act_receives_nothing"
    assert refused(document(service_point_id=diary.KEMIJARVI)).code == "visit_at_other_point"


def test_a_document_id_once_used_is_used_up() -> None:
    first = handlers.evolve(None, received(document()))
    states = {**of_visit(), f"document:{DOCUMENT}": StreamState(1, first)}
    assert refused(document(), states=states).code == "id_reused"


# Forwarding


def forward(body: dict[str, Any], version: int = 1) -> DocumentForwarded:
    value = handlers.evolve(None, received(document()))
    command = handlers.forward_command(DOCUMENT, ForwardDocument.model_validate({"id": CHANGE, **body}), ADVISER)
    event = the_event(command, {f"document:{DOCUMENT}": StreamState(version, value)})
    assert set(event.copies) == {"kela"}
    assert isinstance(event.data, DocumentForwarded)
    return event.data


def test_a_document_is_forwarded() -> None:
    event = forward({"based_on": 1, "forwarded_at": "2026-11-24T10:59:00+02:00", "means": "post"})
    assert (event.replaces, event.means) == (1, "post")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"based_on": 2}, "stale"),
        ({"means": "pigeon"}, "unknown_means"),
        ({"forwarded_at": "2026-11-24T10:54:00+02:00"}, "forwarded_before_received"),
        ({"forwarded_at": "2026-11-24T12:00:00+02:00"}, "in_future"),
    ],
)
def test_what_forwarding_may_not_be(changes: dict[str, Any], code: str) -> None:
    good = {"based_on": 1, "forwarded_at": "2026-11-24T10:59:00+02:00", "means": "post"}
    with pytest.raises(ApudiaariError) as caught:
        forward({**good, **changes})
    assert caught.value.code == code


# What each authority is shown (design.md §8)


VERO_ACT = act(authority_id="vero", service="veroilmoitus", task="receive_document")
OWN_ACT = act(authority_id="kunta-732", service="yleisneuvonta")


def shown(*acts: dict[str, Any]) -> Mapping[str, Any]:
    command = handlers.visit_command(VISIT, RecordVisit.model_validate(visit(acts=list(acts))), ADVISER)
    return the_event(command, {}).copies


def test_each_authority_sees_its_own_acts_renumbered_under_its_own_name_for_the_visit() -> None:
    copies = shown(VERO_ACT, RECEIVES, OWN_ACT, act(service="elakkeet"))
    assert set(copies) == {"kela", "vero"}
    kela = copies["kela"]
    assert isinstance(kela, AuthorityVisitRecorded)
    assert [(each.act_no, each.authority_id, each.service) for each in kela.visit.acts] == [
        (1, "kela", "asumistuki"),
        (2, "kela", "elakkeet"),
    ]
    assert kela.visit_ref == ids.reference(SECRET, "kela", VISIT) != copies["vero"].visit_ref


def test_no_copy_holds_a_trace_of_another_or_of_the_whole() -> None:
    for authority, copy in shown(VERO_ACT, RECEIVES, OWN_ACT).items():
        text = copy.model_dump_json()
        others = {"kela", "vero", "yleisneuvonta", str(VISIT), "customers", "recorder"} - {authority}
        assert not [each for each in others if f'"{each}' in text]


def test_the_providers_own_service_goes_to_no_feed() -> None:
    assert shown(OWN_ACT) == {}


def changed(body: Any) -> Mapping[str, Any]:
    command = handlers.change_command(VISIT, body, ADVISER)
    return the_event(command, of_visit(RECEIVES, VERO_ACT)).copies


def test_a_correction_concerns_the_authorities_before_and_after() -> None:
    police = act(authority_id="poliisi", service="passi", task="appoint")
    wanted = {"id": CHANGE, "based_on": 1, "reason": "wrong_authority", "visit": visit(acts=[RECEIVES, police])}
    copies = changed(CorrectVisit.model_validate(wanted))
    assert set(copies) == {"kela", "vero", "poliisi"}
    assert all(isinstance(each, AuthorityVisitCorrected) for each in copies.values())
    assert copies["vero"].after is None
    assert copies["vero"].before is not None
    assert copies["poliisi"].before is None
    assert copies["poliisi"].after.acts[0].act_no == 1


def test_a_void_concerns_whom_the_visit_concerned() -> None:
    copies = changed(VoidVisit(id=CHANGE, based_on=1, reason="duplicate"))
    assert set(copies) == {"kela", "vero"}
    assert all(isinstance(each, AuthorityVisitVoided) for each in copies.values())


def test_a_document_is_shown_to_its_authority_under_the_act_as_it_numbers_it() -> None:
    event, _ = receive(document(authority_id="vero", act_no=2), states=of_visit(RECEIVES, VERO_ACT))
    copy = event.copies["vero"]
    assert set(event.copies) == {"vero"}
    assert isinstance(copy, AuthorityDocumentReceived)
    assert (copy.act_no, copy.visit_ref) == (1, ids.reference(SECRET, "vero", VISIT))


def test_the_providers_own_paper_has_no_deemed_arrival_and_goes_to_no_feed() -> None:
    """KHO:2014:78: the provider is not its own commissioner."""
    own = act(authority_id="kunta-732", service="yleisneuvonta", task="receive_document")
    event, _ = receive(document(authority_id="kunta-732"), states=of_visit(own))
    assert isinstance(event.data, DocumentReceived)
    assert event.data.coverage.status == "own"
    assert event.copies == {}


def test_a_second_use_of_a_stamp_in_one_batch_is_seen() -> None:
    context = BatchContext(diary.register(), {STAMP: stamp()})
    entry = ReceiveDocument.model_validate(document(received_at=None, stamp_id=str(STAMP)))
    command = handlers.document_command(DOCUMENT, entry, ADVISER)
    streams, decision = HANDLERS[ReceiveDocument]
    states = {stream: of_visit().get(stream, StreamState()) for stream in streams(command)}
    event = decision(SECRET, command, states, context, NOW).events[-1]
    context.apply(Placed(event, command, uuid4(), 2, 1, NOW))
    again = handlers.document_command(uuid4(), entry, ADVISER)
    states[f"document:{again.target}"] = StreamState()
    with pytest.raises(ApudiaariError, match="stamp_used"):
        decision(SECRET, again, states, context, NOW)
