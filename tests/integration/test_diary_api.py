"""The diary over HTTP on a real database: tokens of a real issuer, a register told by events, answers as contracted."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from services.chassis import ids
from services.chassis.db import Database
from services.chassis.evidence.commitment import paper_form_bytes
from services.chassis.evidence.receipt import verify_receipt
from services.chassis.evidence.signing import parse_public_key, verify_statement
from tests.support import diary
from tests.support.diary import act, visit
from tests.support.diary_app import FEED_SECRET, Client, now, today
from tests.support.tokens import TokenIssuer

pytest_plugins = ["tests.support.diary_fixtures"]

RECEIVES = act(task="receive_document")


async def recorded(adviser: Client, **changes: Any) -> tuple[str, dict[str, Any]]:
    visit_id = str(uuid4())
    response = await adviser.put(f"/api/visits/{visit_id}", today(**changes))
    assert response.status_code == 201, response.text
    return visit_id, response.json()


async def count(store: Database, table: str) -> int:
    async with store.reading() as connection:
        return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


# Visits


async def test_the_trace_of_a_request_stands_beside_its_event(adviser: Client, store: Database) -> None:
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for sent, trace in ((given, given[3:35]), ("00-nonsense", None)):
        headers = adviser.headers | {"traceparent": sent}
        response = await adviser.http.put(f"/api/visits/{uuid4()}", json=today(), headers=headers)
        assert response.headers["x-trace-id"] == trace or trace is None
        async with store.reading() as connection:
            kept = await connection.scalar(text("SELECT trace FROM log.events ORDER BY position DESC LIMIT 1"))
        assert kept == given if trace else kept[3:35] == response.headers["x-trace-id"] != given[3:35]


async def test_a_visit_is_recorded_once_and_answers_the_same_again(adviser: Client, store: Database) -> None:
    visit_id, body = str(uuid4()), today(acts=[act(), act(authority_id="poliisi", service="passi", task="appoint")])
    first = await adviser.put(f"/api/visits/{visit_id}", body)
    events = await count(store, "log.events")
    again = await adviser.put(f"/api/visits/{visit_id}", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert await count(store, "log.events") == events
    answer = first.json()
    assert answer["visit_id"] == visit_id
    assert answer["event_id"] == str(ids.event_id(UUID(visit_id), 0))
    assert answer["version"] == 1
    assert answer["acts"] == [
        {"act_no": 1, "coverage": "in_force", "agreement_id": str(diary.KELA_AGREEMENT), "agreement_version": 2},
        {"act_no": 2, "coverage": "none"},
    ]


async def test_an_id_with_another_body_is_refused(adviser: Client) -> None:
    visit_id, _ = await recorded(adviser)
    response = await adviser.put(f"/api/visits/{visit_id}", today(customers=2))
    assert (response.status_code, response.json()["code"]) == (409, "id_reused")


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        (visit(occurred_at="2026-11-24T10:15:00"), 422, "time_without_offset", "/occurred_at"),
        (visit(acts=[]), 422, "too_short", "/acts"),
        (visit(acts=[act(quantity="2")]), 422, "int_type", "/acts/0/quantity"),
        (visit(acts=[act(quantity=1.5)]), 422, "int_type", "/acts/0/quantity"),
        ({**visit(), "surprise": 1}, 422, "extra_forbidden", "/surprise"),
        (visit(service_point_id="piste-1"), 422, "unknown_service_point", "/service_point_id"),
        (visit(acts=[act(authority_id="nasa")]), 422, "unknown_authority", "/acts/0/authority_id"),
    ],
)
async def test_bad_input_says_what_and_where_and_changes_nothing(
    adviser: Client, store: Database, body: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    events = await count(store, "log.events")
    response = await adviser.put(f"/api/visits/{uuid4()}", body)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.json()["errors"][0]["code"], response.json()["errors"][0]["pointer"]) == (code, pointer)
    assert await count(store, "log.events") == events


async def test_a_body_over_the_limit_and_malformed_json_are_refused(adviser: Client) -> None:
    large = await adviser.call("PUT", f"/api/visits/{uuid4()}", content=b"[" + b"1," * 600_000 + b"1]")
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    headers = {**adviser.headers, "content-type": "application/json"}
    broken = await adviser.http.put(f"/api/visits/{uuid4()}", content=b"{", headers=headers)
    assert (broken.status_code, broken.json()["code"]) == (400, "malformed_json")


async def test_corrections_are_based_on_a_version_and_history_stays_readable(adviser: Client) -> None:
    visit_id, _ = await recorded(adviser)
    change = {"id": str(uuid4()), "based_on": 1, "reason": "wrong_quantity", "visit": today(customers=3)}
    corrected = await adviser.post(f"/api/visits/{visit_id}/corrections", change)
    assert (corrected.status_code, corrected.json()["version"]) == (201, 2)
    stale = await adviser.post(f"/api/visits/{visit_id}/corrections", {**change, "id": str(uuid4())})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale")
    assert "version is 2" in stale.json()["detail"]
    voided = await adviser.post(
        f"/api/visits/{visit_id}/void", {"id": str(uuid4()), "based_on": 2, "reason": "duplicate"}
    )
    assert voided.status_code == 201
    told = (await adviser.get(f"/api/visits/{visit_id}")).json()
    assert [each["type"] for each in told["history"]] == ["VisitRecorded", "VisitCorrected", "VisitVoided"]
    assert [each["reason"] for each in told["history"]] == [None, "wrong_quantity", "duplicate"]
    assert told["history"][0]["visit"]["customers"] == 1
    assert told["voided"]


async def test_the_days_list_is_paged_newest_first(adviser: Client) -> None:
    made = [(await recorded(adviser))[0] for _ in range(5)]
    day = now().astimezone(dt.timezone(dt.timedelta(hours=2))).date().isoformat()
    seen: list[str] = []
    after = None
    for _ in range(3):
        params = {"service_point_id": diary.SALLA, "day": day, "limit": 2}
        listed = (await adviser.get("/api/visits", **params, **({"after": after} if after else {}))).json()
        seen += [each["visit_id"] for each in listed["items"]]
        after = listed["next"]
    assert seen[:5] == made[::-1]


# Who sees what


async def test_rights_at_the_counter(
    adviser: Client, kela: Client, http: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    visit_id, _ = await recorded(adviser)
    assert (await http.put(f"/api/visits/{uuid4()}", json=today())).status_code == 401
    assert (await kela.put(f"/api/visits/{uuid4()}", today())).status_code == 403
    assert (await kela.get(f"/api/visits/{visit_id}")).status_code == 403
    elsewhere = Client(http, issuer, "adviser", "kunta-320", diary.KEMIJARVI)
    assert (await elsewhere.put(f"/api/visits/{uuid4()}", today())).status_code == 403
    assert (await elsewhere.get(f"/api/visits/{visit_id}")).status_code == 404
    assert (await elsewhere.get("/api/visits")).json()["items"] == []
    provider = Client(http, issuer, "provider", "kunta-732")
    assert (await provider.get(f"/api/visits/{visit_id}")).status_code == 200


async def test_own_staff_see_visits_of_their_authority_alone(
    adviser: Client, http: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    staff = Client(http, issuer, "own_staff", "kela", diary.SALLA)
    own, _ = await recorded(adviser)
    mixed, _ = await recorded(adviser, acts=[act(), act(authority_id="vero", service="verokortti")])
    listed = [each["visit_id"] for each in (await staff.get("/api/visits", limit=200)).json()["items"]]
    assert own in listed
    assert mixed not in listed
    assert (await staff.get(f"/api/visits/{mixed}")).status_code == 404


async def test_each_authority_reads_its_own_copies(adviser: Client, kela: Client, vero: Client) -> None:
    head = {
        name: (await who.get(f"/api/feeds/{name}", limit=1)).json()["head"]
        for name, who in (("kela", kela), ("vero", vero))
    }
    visit_id, _ = await recorded(adviser, acts=[act(authority_id="vero", service="verokortti"), act()])
    for name, who, other in (("kela", kela, "vero"), ("vero", vero, "kela")):
        fed = (await who.get(f"/api/feeds/{name}", after=head[name])).json()
        assert fed["head"] == head[name] + 1
        text_of = str(fed["events"])
        assert ids.reference(bytes.fromhex(FEED_SECRET), name, visit_id) in text_of
        assert visit_id not in text_of
        assert other not in text_of.replace("verokortti", "")
        assert (await who.get(f"/api/feeds/{other}")).status_code == 403


# Stamps, documents, receipts


async def stamped(adviser: Client) -> dict[str, Any]:
    body = {"id": str(uuid4()), "service_point_id": diary.SALLA}
    response = await adviser.post("/api/stamps", body)
    assert response.status_code == 201, response.text
    return response.json()  # type: ignore[no-any-return]


def document(visit_id: str, **changes: Any) -> dict[str, Any]:
    body = {
        "service_point_id": diary.SALLA,
        "authority_id": "kela",
        "kind": "application",
        "mode": "handed_over",
        "visit_id": visit_id,
        "act_no": 1,
        "paper": {"title": "Asumistukihakemus", "pages": 3},
    }
    return {**body, **changes}


async def test_a_stamp_is_signed_by_the_server_and_the_same_again(adviser: Client, http: httpx.AsyncClient) -> None:
    body = {"id": str(uuid4()), "service_point_id": diary.SALLA}
    first, again = await adviser.post("/api/stamps", body), await adviser.post("/api/stamps", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    keys = await public_keys(http)
    made = first.json()
    assert verify_statement("stamp", made["statement"], made["key_id"], made["signature"], keys)
    assert made["stamped_at"] in made["statement"]
    elsewhere = await adviser.post("/api/stamps", {"id": str(uuid4()), "service_point_id": diary.KEMIJARVI})
    assert elsewhere.status_code == 403


async def public_keys(http: httpx.AsyncClient) -> list[Any]:
    signer = http.app.state.runtime.signer  # type: ignore[attr-defined]
    return [parse_public_key(signer.public.text)]


async def test_a_receipt_verifies_offline_and_is_identical_later(
    adviser: Client, kela: Client, vero: Client, http: httpx.AsyncClient
) -> None:
    document_id, visit_id = str(uuid4()), str(uuid4())
    stamp = await stamped(adviser)
    body = document(visit_id, stamp_id=stamp["stamp_id"], visit=today(acts=[RECEIVES]))
    made = await adviser.put(f"/api/documents/{document_id}", body)
    assert made.status_code == 201, made.text
    assert (await adviser.put(f"/api/documents/{document_id}", body)).status_code == 200
    receipt = (await adviser.get(f"/api/documents/{document_id}/receipt")).json()
    keys = await public_keys(http)
    form = paper_form_bytes({"authority_id": "kela", "kind": "application", "title": "Asumistukihakemus", "pages": 3})
    verified = verify_receipt(receipt, keys, form)
    assert verified.ok, verified
    assert verified.statement is not None
    assert verified.statement["verdict"] is None
    assert verified.statement["synthetic"] is True
    assert verified.statement["agreement"]["id"] == str(diary.KELA_AGREEMENT)  # type: ignore[index]
    assert verify_receipt(receipt, keys, form + b" ").check("document").status == "failed"
    for _ in range(3):
        await recorded(adviser)
    assert (await kela.get(f"/api/documents/{document_id}/receipt")).json() == receipt
    assert (await vero.get(f"/api/documents/{document_id}/receipt")).status_code == 404
    assert (await vero.get(f"/api/documents/{uuid4()}/receipt")).status_code == 404
    falsified = {**receipt, "statement": receipt["statement"].replace("handed_over", "post")}
    assert not verify_receipt(falsified, keys).ok


async def test_a_stamp_serves_one_document(adviser: Client) -> None:
    visit_id, _ = await recorded(adviser, acts=[RECEIVES])
    stamp = await stamped(adviser)
    first = await adviser.put(f"/api/documents/{uuid4()}", document(visit_id, stamp_id=stamp["stamp_id"]))
    second = await adviser.put(f"/api/documents/{uuid4()}", document(visit_id, stamp_id=stamp["stamp_id"]))
    assert (first.status_code, second.status_code) == (201, 422)
    assert second.json()["code"] == "stamp_used"


async def test_a_file_is_committed_to_but_not_kept(adviser: Client, store: Database, http: httpx.AsyncClient) -> None:
    visit_id, _ = await recorded(adviser, acts=[RECEIVES])
    document_id, content = str(uuid4()), b"%PDF-1.7 hakemus " * 1000
    body = document(visit_id, received_at=now().isoformat(), content_base64=base64.b64encode(content).decode())
    response = await adviser.put(f"/api/documents/{document_id}", body)
    assert response.status_code == 201, response.text
    receipt = (await adviser.get(f"/api/documents/{document_id}/receipt")).json()
    assert verify_receipt(receipt, await public_keys(http), content).ok
    async with store.reading() as connection:
        sealed = await connection.scalar(
            text("SELECT max(length(sealed)) FROM private.documents WHERE document_id = :id"), {"id": UUID(document_id)}
        )
    assert sealed < 1000
    refused = await adviser.put(f"/api/documents/{uuid4()}", {**body, "content_base64": "%%%"})
    assert refused.json()["code"] == "not_base64"
    unsent = await adviser.put(f"/api/documents/{uuid4()}", {**document(visit_id), "content_sha256": "0" * 64})
    assert unsent.json()["code"] == "content_missing"


async def test_a_document_is_forwarded_once(adviser: Client) -> None:
    visit_id, _ = await recorded(adviser, acts=[RECEIVES])
    document_id = str(uuid4())
    received = await adviser.put(f"/api/documents/{document_id}", document(visit_id, received_at=now().isoformat()))
    assert received.status_code == 201, received.text
    body = {"id": str(uuid4()), "based_on": 1, "forwarded_at": now().isoformat(), "means": "post"}
    first = await adviser.post(f"/api/documents/{document_id}/forwarded", body)
    again = await adviser.post(f"/api/documents/{document_id}/forwarded", body)
    assert (first.status_code, again.status_code) == (201, 200)
    other = await adviser.post(f"/api/documents/{document_id}/forwarded", {**body, "id": str(uuid4()), "based_on": 2})
    assert other.json()["code"] == "already_forwarded"


async def test_once_its_key_is_destroyed_a_receipt_is_gone_and_the_log_stands(adviser: Client, store: Database) -> None:
    visit_id, _ = await recorded(adviser, acts=[RECEIVES])
    document_id = str(uuid4())
    await adviser.put(f"/api/documents/{document_id}", document(visit_id, received_at=now().isoformat()))
    async with store.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE private.subject_keys SET key = NULL, destroyed = now() WHERE subject_id = "
                "(SELECT subject_id FROM private.documents WHERE document_id = :id)"
            ),
            {"id": UUID(document_id)},
        )
    response = await adviser.get(f"/api/documents/{document_id}/receipt")
    assert (response.status_code, response.json()["code"]) == (410, "erased")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM log.events",
        "UPDATE log.events SET key = 'x'",
        "UPDATE private.stamps SET stamped_at = now()",
        "DELETE FROM private.stamps",
        "UPDATE private.documents SET sealed = ''",
        "DELETE FROM private.subject_keys",
    ],
)
async def test_the_running_role_may_not_change_what_is_evidence(store: Database, statement: str) -> None:
    with pytest.raises(Exception, match=r"permission denied|append-only"):
        async with store.transaction() as connection:
            await connection.execute(text(statement))


# News of the register


async def test_news_of_the_register_is_known_at_the_next_entry(adviser: Client, store: Database) -> None:
    police = diary.signed(uuid4(), "poliisi", diary.terms("poliisi:passi", tasks="appoint"), dt.date(2026, 1, 1))
    wanted = [act(authority_id="poliisi", service="passi", task="appoint")]
    _, before = await recorded(adviser, acts=wanted)
    await diary.know(store, [police], first=len(diary.small_register()) + 1)
    _, after = await recorded(adviser, acts=wanted)
    assert (before["acts"][0]["coverage"], after["acts"][0]["coverage"]) == ("none", "in_force")
    assert after["acts"][0]["agreement_id"] == str(police.agreement_id)
