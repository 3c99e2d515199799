"""Runs over HTTP on real PostgreSQL: from acts and terms to documents, differences and proofs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import text

from services.billing.domain.periods import months_between
from services.billing.recompute import recompute
from services.billing.reproduce import reproduce
from services.chassis.errors import Invalid
from tests.integration.billing_stage import Stage, staged
from tests.support.billing_world import PROVIDER, act, ident, tariff
from tests.support.databases import REPOSITORY, Databases, ServiceDatabase
from tests.support.naive import billing as naive
from tests.support.tokens import TokenIssuer

OTHER = "kunta-005"


@pytest.fixture
async def stage(service_database: Callable[[str], ServiceDatabase], token_issuer: TokenIssuer) -> AsyncIterator[Stage]:
    """A provider with agreements with Kela and the tax administration, and two months of visits."""
    async with staged(service_database("billing"), token_issuer) as found:
        history = found.history
        for party in (PROVIDER, OTHER, "kela", "vero"):
            history.party(party)
        history.point()
        prices = [tariff(price="10.00"), tariff("kk", "310.00", "fixed_monthly")]
        history.sign("kela", prices)
        history.sign("vero", [tariff("verot", "7.3333", authority_id="vero")], commissioners=("vero",))
        for month in ("09", "10"):
            for number in range(4):
                history.visit(f"{month}{number}", f"2026-{month}-{10 + number}", act(), act("vero", "verokortti"))
        yield found


def positions(answer: Any) -> Any:
    return {each["payer_id"]: each for each in answer}


async def test_a_run_issues_one_document_per_payer_and_closes_the_month(stage: Stage) -> None:
    await stage.hear()
    answer = await stage.run("2026-09")
    assert answer.status_code == 201
    body = answer.json()
    assert body["cut_offs"] == {"diary": 8, "agreements": len(stage.history.agreements)}
    assert body["unbilled"] == {}
    assert {(each["payer_id"], each["kind"], each["total"]) for each in body["invoices"]} == {
        ("kela", "invoice", "350.00"),
        ("vero", "invoice", "29.33"),
    }
    assert {each["number"] for each in body["invoices"]} == {"KUNTA732-2026-000001", "KUNTA732-2026-000002"}
    document = await stage.document(positions(body["invoices"])["vero"]["invoice_id"], "authority", "vero")
    assert document["feed"] == {"feed": "vero", "last": 8}
    assert document["lines"][0]["unit_price"] == "7.3333"
    assert document["vat"] == [{"exempt_reason": "viranomaistoiminta", "base": "29.33", "vat": "0.00"}]


async def test_every_total_equals_the_naive_recomputation(stage: Stage) -> None:
    documents = await stage.issued()
    diary, agreements = stage.history.json()
    due = naive.due(diary, agreements, PROVIDER, months_between("2026-09", "2026-10"), "2026-09")
    for payer in ("kela", "vero"):
        expected = sum((amount for key, (_, amount) in due.items() if key[0] == payer), Decimal(0))
        assert Decimal(positions(documents)[payer]["total"]) == expected


async def test_the_same_run_again_answers_the_same_and_another_body_is_refused(stage: Stage) -> None:
    await stage.hear()
    run_id = str(uuid4())
    first = await stage.run(id=run_id)
    stage.history.visit("late", "2026-10-20", act())
    await stage.hear()
    again = await stage.run(id=run_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    reused = await stage.run("2026-09", id=run_id)
    assert (reused.status_code, reused.json()["code"]) == (409, "id_reused")


async def test_a_billed_visit_corrected_and_one_voided_give_a_credit_note(stage: Stage) -> None:
    first = positions(await stage.issued())
    stage.history.correct("100", "2026-10-10", act("vero", "verokortti"))
    stage.history.void("101")
    second = positions(await stage.issued())
    assert second["kela"]["kind"] == "credit_note"
    assert second["kela"]["total"] == "-20.00"
    assert second["kela"]["corrects"] == [first["kela"]["number"]]
    assert (second["vero"]["kind"], second["vero"]["total"]) == ("credit_note", "-7.33")
    assert await stage.issued() == []


async def test_an_amendment_back_in_time_gives_the_exact_difference_of_every_month(stage: Stage) -> None:
    await stage.issued("2026-09")
    before = positions(await stage.issued())["kela"]
    old = await stage.document(before["invoice_id"])
    stage.history.amend("kela", "2026-09-01", [tariff(price="12.50"), tariff("kk", "310.00", "fixed_monthly")])
    (difference,) = await stage.issued()
    assert difference["total"] == "20.00"
    assert len(difference["corrects"]) == 2
    document = await stage.document(difference["invoice_id"])
    assert {line["service_month"] for line in document["lines"]} == {"2026-09", "2026-10"}
    assert [line["amount"] for line in document["lines"] if "reverses" in line] == ["-40.00", "-40.00"]
    assert await stage.document(before["invoice_id"]) == old


async def test_an_open_month_is_refused_and_nothing_is_recorded(stage: Stage) -> None:
    await stage.hear()
    answer = await stage.run("2999-12")
    assert (answer.status_code, answer.json()["code"]) == (422, "period_open")
    assert answer.json()["errors"][0]["pointer"] == "/period"
    assert (await stage.ask("GET", "/api/invoices", "provider", PROVIDER)).json() == {"items": [], "next": None}


async def test_a_run_behind_its_inputs_names_the_partitions(stage: Stage) -> None:
    await stage.hear()
    answer = await stage.run(at_least={"diary": 9, "agreements": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "projection_behind")
    errors = answer.json()["errors"]
    assert len(errors) == 12
    assert errors[3]["pointer"] == "/partitions/apudiaari.diary.events/3"
    assert errors[3]["detail"] == "sealed up to 8, needed 9"


async def test_only_what_is_sealed_is_invoiced(stage: Stage) -> None:
    await stage.hear()
    stage.history.visit("unsealed", "2026-10-20", act())
    await stage.hear(seal=False)
    answer = (await stage.run()).json()
    assert answer["cut_offs"]["diary"] == 8
    assert positions(answer["invoices"])["kela"]["total"] == "700.00"


async def test_a_halted_partition_stops_every_run_and_says_which(stage: Stage) -> None:
    await stage.hear()
    async with stage.database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE projection.positions SET state = 'halted', reason = '/data: broken' "
                "WHERE topic = 'apudiaari.diary.events' AND partition = 5"
            )
        )
    answer = await stage.run()
    assert (answer.status_code, answer.json()["code"]) == (409, "projection_halted")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/partitions/apudiaari.diary.events/5"]


async def test_a_run_may_not_know_less_than_the_one_before(stage: Stage) -> None:
    await stage.issued()
    async with stage.database.transaction() as connection:
        await connection.execute(text("UPDATE projection.positions SET sealed = sealed - 1"))
    answer = await stage.run()
    assert (answer.status_code, answer.json()["code"]) == (409, "projection_behind")


async def test_runs_at_once_neither_double_nor_skip_a_number(stage: Stage) -> None:
    await stage.hear()
    answers = await asyncio.gather(*(stage.run() for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    numbers = sorted(each["number"] for answer in answers for each in answer.json()["invoices"])
    assert numbers == ["KUNTA732-2026-000001", "KUNTA732-2026-000002"]
    listed = (await stage.ask("GET", "/api/invoices", "provider", PROVIDER)).json()["items"]
    assert sum(Decimal(each["total"]) for each in listed) == Decimal("758.66")


async def test_only_the_provider_runs_its_own_billing(stage: Stage) -> None:
    await stage.hear()
    body = {"id": str(uuid4()), "provider_id": PROVIDER, "period": "2026-10"}
    for role, party in (("provider", OTHER), ("authority", "kela"), ("ministry", None), ("auditor", None)):
        assert (await stage.ask("POST", "/api/runs", role, party, body)).status_code == 403
    assert (await stage.http.post("/api/runs", json=body)).status_code == 401


async def test_a_payer_sees_its_own_documents_and_no_trace_of_others(stage: Stage) -> None:
    documents = positions(await stage.issued())
    listed = (await stage.ask("GET", "/api/invoices", "authority", "kela")).json()["items"]
    assert [each["payer_id"] for each in listed] == ["kela"]
    foreign = documents["vero"]["invoice_id"]
    unknown = str(uuid4())
    for path in (f"/api/invoices/{foreign}", f"/api/invoices/{foreign}/lines/1/explanation"):
        answer = await stage.ask("GET", path, "authority", "kela")
        missing = await stage.ask("GET", path.replace(foreign, unknown), "authority", "kela")
        assert answer.status_code == missing.status_code == 404
        drop = {"trace_id"}
        assert {k: v for k, v in answer.json().items() if k not in drop} == {
            k: v for k, v in missing.json().items() if k not in drop
        }
    assert (await stage.ask("GET", "/api/invoices", "provider", OTHER)).json()["items"] == []


async def test_the_document_is_the_same_bytes_for_ever_and_says_their_hash(stage: Stage) -> None:
    invoice_id = (await stage.issued())[0]["invoice_id"]
    first = await stage.ask("GET", f"/api/invoices/{invoice_id}", "provider", PROVIDER)
    again = await stage.ask("GET", f"/api/invoices/{invoice_id}", "ministry", None)
    assert first.content == again.content
    assert first.headers["etag"].strip('"') == hashlib.sha256(first.content).hexdigest()
    assert orjson.dumps(orjson.loads(first.content), option=orjson.OPT_SORT_KEYS) == first.content


async def test_lists_are_paged_without_loss(stage: Stage) -> None:
    await stage.issued("2026-09")
    await stage.issued()
    seen: list[str] = []
    after = 0
    while True:
        page = (await stage.ask("GET", "/api/invoices", "provider", PROVIDER, after=after, limit=3)).json()
        seen += [each["number"] for each in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == [f"KUNTA732-2026-00000{number}" for number in (4, 3, 2, 1)]
    only = await stage.ask("GET", "/api/invoices", "provider", PROVIDER, payer_id="kela", period="2026-09")
    assert len(only.json()["items"]) == 1


# Explained


async def explanation(stage: Stage, document: dict[str, Any], line: int, role: str, party: str, **query: Any) -> Any:
    path = f"/api/invoices/{document['invoice_id']}/lines/{line}/explanation"
    return (await stage.ask("GET", path, role, party, **query)).json()


async def test_a_line_is_explained_down_to_acts_and_the_version_of_the_agreement(stage: Stage) -> None:
    documents = positions(await stage.issued())
    document = await stage.document(documents["kela"]["invoice_id"])
    (line,) = [each for each in document["lines"] if each["clause"] == "per_act" and each["service_month"] == "2026-10"]
    found = await explanation(stage, document, line["line_no"], "provider", PROVIDER)
    assert found["recomputed"] == {"quantity": 4, "amount": "40.00", "equal": True}
    assert (found["agreement_id"], found["version"], found["clause"]) == (str(ident("kela")), 1, "per_act")
    assert [each["visit_ref"] for each in found["acts"]] == [str(ident(f"10{number}")) for number in range(4)]


async def test_an_authority_never_gets_a_visit_id_of_the_diary(stage: Stage) -> None:
    document = positions(await stage.issued())["kela"]
    copies = [orjson.loads(raw) for raw in stage.history.feeds["kela", "diary"]]
    for line in (await stage.document(document["invoice_id"]))["lines"]:
        found = await explanation(stage, document, line["line_no"], "authority", "kela")
        for shown in found["acts"]:
            copy = copies[shown["feed_sequence"] - 1]
            assert shown["visit_ref"] == copy["data"]["visit_ref"]
            assert shown["act_no"] == 1
        text_of = orjson.dumps(found).decode()
        assert not any(str(ident(f"{month}{n}")) in text_of for month in ("09", "10") for n in range(4))
        assert not any(orjson.loads(raw)["id"] in text_of for raw in stage.history.diary)


async def test_acts_are_numbered_as_in_the_authoritys_own_copy(stage: Stage) -> None:
    stage.history.visit("many", "2026-10-30", act("vero", "verokortti"), act(), act("vero", "verokortti"), act())
    document = positions(await stage.issued())["kela"]
    lines = (await stage.document(document["invoice_id"]))["lines"]
    (line,) = [each for each in lines if each["clause"] == "per_act" and each["service_month"] == "2026-10"]
    found = await explanation(stage, document, line["line_no"], "authority", "kela")
    assert [each["act_no"] for each in found["acts"]][-2:] == [1, 2]


async def test_a_reversal_shows_the_acts_it_takes_back(stage: Stage) -> None:
    await stage.issued()
    stage.history.void("100")
    document = positions(await stage.issued())["kela"]
    found = await explanation(stage, document, 1, "provider", PROVIDER)
    assert found["recomputed"] == {"quantity": -4, "amount": "-40.00", "equal": True}
    assert {each["sign"] for each in found["acts"]} == {-1}
    assert str(ident("100")) in {each["visit_ref"] for each in found["acts"]}


async def test_acts_of_a_line_are_paged(stage: Stage) -> None:
    document = positions(await stage.issued())["kela"]
    lines = (await stage.document(document["invoice_id"]))["lines"]
    (line,) = [each for each in lines if each["clause"] == "per_act" and each["service_month"] == "2026-10"]
    first = await explanation(stage, document, line["line_no"], "provider", PROVIDER, limit=3)
    rest = await explanation(stage, document, line["line_no"], "provider", PROVIDER, limit=3, after=first["next"])
    assert (len(first["acts"]), len(rest["acts"]), rest["next"], rest["acts_total"]) == (3, 1, None, 4)
    missing = await stage.ask(
        "GET", f"/api/invoices/{document['invoice_id']}/lines/99/explanation", "provider", PROVIDER
    )
    assert (missing.status_code, missing.json()["code"]) == (404, "line_not_found")


# Previewed


async def test_a_preview_equals_the_run_that_follows_and_stores_nothing(stage: Stage) -> None:
    await stage.hear()
    body = {"provider_id": PROVIDER, "period": "2026-10"}
    preview = (await stage.ask("POST", "/api/previews", "provider", PROVIDER, body)).json()
    assert (await stage.ask("GET", "/api/invoices", "provider", PROVIDER)).json()["items"] == []
    documents = positions((await stage.run()).json()["invoices"])
    for shown in preview["documents"]:
        issued = await stage.document(documents[shown["payer_id"]]["invoice_id"])
        assert (shown["lines"], shown["total"]) == (issued["lines"], issued["total"])


async def test_a_preview_with_other_terms_is_the_difference_they_would_make(stage: Stage) -> None:
    await stage.issued()
    terms = orjson.loads(stage.history.agreements[5])["data"]["terms"]
    assert terms["tariffs"][0]["price"] == "10.00"
    terms["tariffs"][0]["price"] = "12.50"
    wanted = {"agreement_id": str(ident("kela")), "effective_from": "2026-09-01", "terms": terms}
    body = {"provider_id": PROVIDER, "period": "2026-10", "hypotheses": [wanted]}
    preview = (await stage.ask("POST", "/api/previews", "provider", PROVIDER, body)).json()
    assert preview["total"] == "20.00"
    stage.history.amend("kela", "2026-09-01", [tariff(price="12.50"), tariff("kk", "310.00", "fixed_monthly")])
    assert [each["total"] for each in await stage.issued()] == ["20.00"]
    stranger = await stage.ask("POST", "/api/previews", "authority", "vero", body)
    assert (stranger.status_code, stranger.json()["code"]) == (404, "agreement_not_found")


async def test_a_payer_previews_its_own_part(stage: Stage) -> None:
    await stage.hear()
    stage.history.visit("nobody", "2026-10-20", act(service="opintotuki"))
    await stage.hear()
    body = {"provider_id": PROVIDER, "period": "2026-10"}
    seen = (await stage.ask("POST", "/api/previews", "authority", "kela", body)).json()
    assert [each["payer_id"] for each in seen["documents"]] == ["kela"]
    assert seen["unbilled"] == {}
    everything = (await stage.ask("POST", "/api/previews", "provider", PROVIDER, body)).json()
    assert everything["unbilled"] == {"outside_scope": 1}


# Proven


async def story(stage: Stage) -> list[dict[str, Any]]:
    """Three runs with everything in them."""
    documents = await stage.issued("2026-09")
    stage.history.visit("late", "2026-09-30", act(quantity=2))
    stage.history.void("101")
    documents += await stage.issued()
    stage.history.correct("102", "2026-10-12", act(minutes=40), act())
    stage.history.amend("kela", "2026-09-15", [tariff(price="11.1111"), tariff("kk", "300.00", "fixed_monthly")])
    return documents + await stage.issued()


async def test_the_whole_chain_is_reproduced_to_the_byte_without_any_read_table(
    stage: Stage, databases: Databases, token_issuer: TokenIssuer
) -> None:
    documents = await story(stage)
    await stage.database.engine.dispose()
    async with stage.database.transaction() as connection:
        name = str((await connection.execute(text("SELECT current_database()"))).scalar_one())
    await stage.database.engine.dispose()
    copy = databases.copy(ServiceDatabase(name, "billing", "", "", ""))
    try:
        dropped = await asyncio.to_thread(_psql, copy.owner_dsn, "DROP SCHEMA read CASCADE")
        assert dropped.returncode == 0, dropped.stderr
        done = await asyncio.to_thread(_cli, copy, token_issuer, "reproduce", "--all")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{len(documents)} documents reproduced from the log, 0 differ" in done.stdout
        one = await asyncio.to_thread(_cli, copy, token_issuer, "reproduce", documents[-1]["invoice_id"])
        assert "equal to the byte" in one.stdout
        falsified = await asyncio.to_thread(
            _psql, copy.owner_dsn, "UPDATE billing_v1.acts SET quantity = 9 WHERE position = 1 AND act_no = 1"
        )
        assert falsified.returncode == 0, falsified.stderr
        caught = await asyncio.to_thread(_cli, copy, token_issuer, "reproduce", "--provider", PROVIDER)
        assert caught.returncode == 1
        assert "DIFFERS" in caught.stdout
    finally:
        databases.drop(copy)


def _psql(dsn: str, statement: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import asyncio, asyncpg, sys\n"
        "async def go():\n c = await asyncpg.connect(sys.argv[1]); await c.execute(sys.argv[2]); await c.close()\n"
        "asyncio.run(go())"
    )
    return subprocess.run(
        [sys.executable, "-c", program, dsn, statement], capture_output=True, text=True, check=False, timeout=60
    )


def _cli(database: ServiceDatabase, issuer: TokenIssuer, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | database.environment() | {"APUDIAARI_FEED_SECRET": "00" * 32}
    argv = [sys.executable, "-m", "services.billing", *arguments]
    return subprocess.run(
        argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


async def test_reproduce_finds_a_document_that_should_have_been(stage: Stage) -> None:
    await story(stage)
    async with stage.database.snapshot() as connection:
        found = await reproduce(connection, PROVIDER)
    assert len(found) >= 5
    assert all(each.equal for each in found)


async def test_an_authority_recomputes_its_invoices_from_its_own_copies(stage: Stage, tmp_path: Path) -> None:
    documents = [each for each in await story(stage) if each["payer_id"] == "kela"]
    feeds = stage.history.feeds
    billing = (await stage.ask("GET", "/api/feeds/kela", "authority", "kela")).json()["events"]
    earlier = [orjson.dumps(event) for event in billing]
    for document in documents:
        raw = (await stage.ask("GET", f"/api/invoices/{document['invoice_id']}", "authority", "kela")).content
        made = recompute(raw, feeds["kela", "diary"], feeds["kela", "agreements"], earlier)
        assert made.equal, made
        assert made.computed == document["total"]
    raw = (await stage.ask("GET", f"/api/invoices/{documents[-1]['invoice_id']}", "authority", "kela")).content
    files = {
        "invoice": [raw],
        "feed": feeds["kela", "diary"],
        "agreements": feeds["kela", "agreements"],
        "earlier": earlier,
    }
    argv = [sys.executable, "-m", "services.billing.verify"]
    for name, lines in files.items():
        (tmp_path / name).write_bytes(b"\n".join(lines))
        argv += [f"--{name}", str(tmp_path / name)]
    done = await asyncio.to_thread(subprocess.run, argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("EQUAL")


async def test_recomputing_notices_a_changed_act_a_changed_cent_and_a_missing_entry(stage: Stage) -> None:
    document = positions(await stage.issued())["kela"]
    raw = (await stage.ask("GET", f"/api/invoices/{document['invoice_id']}", "authority", "kela")).content
    feed, terms = stage.history.feeds["kela", "diary"], stage.history.feeds["kela", "agreements"]
    assert recompute(raw, feed, terms).equal
    changed = [feed[0].replace(b'"quantity":1', b'"quantity":2'), *feed[1:]]
    assert not recompute(raw, changed, terms).equal
    assert not recompute(raw.replace(b'"total":"700.00"', b'"total":"700.01"'), feed, terms).equal
    with pytest.raises(Invalid, match="feed_gap"):
        recompute(raw, feed[:-1], terms)


async def test_the_payers_feed_carries_its_documents(stage: Stage) -> None:
    documents = positions(await stage.issued())
    stage.history.void("100")
    await stage.issued()
    feed = (await stage.ask("GET", "/api/feeds/vero", "authority", "vero")).json()
    assert [event["type"].split(".")[-2] for event in feed["events"]] == ["InvoiceIssued", "CreditNoteIssued"]
    assert feed["events"][0]["data"]["number"] == documents["vero"]["number"]
    assert (await stage.ask("GET", "/api/feeds/vero", "authority", "kela")).status_code in (403, 404)


async def test_the_operator_invoices_every_provider_at_once(stage: Stage, token_issuer: TokenIssuer) -> None:
    stage.history.point("piste-005-1", OTHER, "005")
    stage.history.sign("other", [tariff(price="3.00")], provider=OTHER, points=("piste-005-1",))
    stage.history.visit("o", "2026-10-05", act(), provider=OTHER, point="piste-005-1")
    await stage.hear()
    url = stage.database.url
    database = ServiceDatabase("", "billing", url, url, "")
    done = await asyncio.to_thread(_cli, database, token_issuer, "run", "--all", "--period", "2026-10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("2 providers, 3 documents, 761.66 €")
    again = await asyncio.to_thread(_cli, database, token_issuer, "run", "--all", "--period", "2026-10")
    assert again.stdout.startswith("2 providers, 3 documents, 761.66 €")
    listed = (await stage.ask("GET", "/api/invoices", "ministry", None)).json()["items"]
    assert len(listed) == 3
    explained = await asyncio.to_thread(_cli, database, token_issuer, "explain", listed[0]["invoice_id"], "1")
    assert explained.returncode == 0, explained.stdout + explained.stderr


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"period": "2026-13"}, "invalid_request"),
        ({"provider_id": "NO GOOD"}, "invalid_request"),
        ({"at_least": {"diary": -1}}, "invalid_request"),
        ({"surprise": True}, "invalid_request"),
        ({"id": "not-a-uuid"}, "invalid_request"),
    ],
)
async def test_bad_requests_say_where_and_change_nothing(stage: Stage, body: dict[str, Any], code: str) -> None:
    answer = (
        await stage.run(**body)
        if "provider_id" not in body
        else await stage.ask(
            "POST", "/api/runs", "provider", PROVIDER, {"id": str(uuid4()), "period": "2026-10", **body}
        )
    )
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{next(iter(body))}")
