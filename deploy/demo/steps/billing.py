"""Steps 4 to 6: a month is billed, a correction becomes a credit note, an amendment reaches back."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

from deploy.demo.client import Refusal
from deploy.demo.naive.evidence import demand
from deploy.demo.naive.invoices import (
    check_credit_note,
    check_difference,
    check_explanation,
    check_invoiced,
    check_untouched,
)
from deploy.demo.naive.rating import Due, Key, Terms, cents, due, openings
from deploy.demo.naive.visits import month_of, standing
from deploy.demo.world import JSON, World
from deploy.dev.clients import HOME_MUNICIPALITY
from deploy.dev.process import tail

BEHIND_S = 30.0
RISE = Decimal("1.15")


async def billed(world: World) -> None:
    """Step 4: three providers over HTTP, the others by the operator's command; one line down to its acts."""
    providers = await _three_providers(world)
    position = {"diary": len((await world.log("diary")).rows)}
    documents: list[JSON] = []
    for provider in providers:
        answer = await run(world, provider, position)
        documents += await documents_of(world, provider, answer)
        owed = await owed_by(world, [provider], answer["cut_offs"])
        total = check_invoiced([each for each in documents if each["provider_id"] == provider], owed)
        if provider == HOME_MUNICIPALITY:
            world.facts.keep(first_run=answer, first_due=owed, home_total=total)
    world.background = asyncio.create_task(world.stack.run("billing", "run", "--all", "--period", world.period))
    sum_total = sum((Decimal(each["total"]) for each in documents), Decimal("0.00"))
    world.teller.proved("invoices_due", providers=", ".join(providers), count=len(documents), total=sum_total)
    home = {each["number"]: each for each in documents if each["provider_id"] == HOME_MUNICIPALITY}
    first = next(each for each in home.values() if each["payer_id"] == "kela")
    world.facts.keep(home_documents=home, first_invoice=first)
    await _explained(world, first)
    world.stack.add_sample_ids(invoice_id=first["invoice_id"], provider_ids=providers)


async def _three_providers(world: World) -> list[str]:
    """Salla and the two municipalities with most visits, each with a machine client."""
    log = await world.log("diary")
    counts = Counter(visit["provider_id"] for visit in standing(log.events).values())
    largest = [name for name, _ in counts.most_common() if name.startswith("kunta-") and name != HOME_MUNICIPALITY]
    for provider in largest[:2]:
        world.stack.client("provider", provider)
    return [HOME_MUNICIPALITY, *largest[:2]]


async def run(world: World, provider: str, at_least: Mapping[str, int]) -> JSON:
    """A run for the last full month; while billing has not seen everything it says so, and is asked again."""
    caller = world.callers.by("provider", provider)
    body = {"id": str(uuid4()), "provider_id": provider, "period": world.period, "at_least": dict(at_least)}
    deadline = time.monotonic() + BEHIND_S
    while True:
        try:
            return await caller.post("billing", "/api/runs", body)
        except Refusal as refusal:
            if refusal.code != "projection_behind" or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


async def documents_of(world: World, provider: str, answer: JSON) -> list[JSON]:
    """The documents of a run, as issued."""
    bodies = await bodies_of(world, provider, [each["invoice_id"] for each in answer["invoices"]])
    return [json.loads(body) for body in bodies.values()]


async def bodies_of(world: World, provider: str, invoice_ids: list[str]) -> dict[str, bytes]:
    """The exact bytes of documents by their numbers."""
    caller = world.callers.by("provider", provider)
    bodies = [await caller.bytes("billing", f"/api/invoices/{invoice_id}") for invoice_id in invoice_ids]
    return {json.loads(body)["number"]: body for body in bodies}


async def owed_by(world: World, providers: list[str], cut_offs: Mapping[str, int]) -> dict[Key, Due]:
    """What the raw events make due at cut-offs, for the months up to the last full one."""
    diary, agreements = await world.log("diary"), await world.log("agreements")
    known = openings(diary.events, world.period)
    opens = {name: known.get(name, world.period) for name in providers}
    terms = Terms(agreements.events, cut_offs["agreements"])
    return due(standing(diary.events, cut_offs["diary"]).values(), terms, opens, world.period)


async def _explained(world: World, document: JSON) -> None:
    """The line that holds the late entry, taken apart by the service and put together again by the outsider."""
    line = next(
        each
        for each in document["lines"]
        if each["service_month"] == world.period and each["clause"] == "per_act" and each["item"] == "t1"
    )
    explanation = await explanation_of(world, document["invoice_id"], line["line_no"])
    diary, agreements = await world.log("diary"), await world.log("agreements")
    visits = standing(diary.events, document["cut_offs"]["diary"])
    check_explanation(
        document, line["line_no"], explanation, visits, Terms(agreements.events, document["cut_offs"]["agreements"])
    )
    named = {each["visit_ref"] for each in explanation["acts"]}
    demand(world.facts.late_visit in named, "the late entry is not in the line of its month")
    world.teller.proved(
        "line_explained", number=document["number"], line=line["line_no"], quantity=line["quantity"],
        price=Decimal(line["unit_price"]), amount=Decimal(line["amount"]), acts=len(explanation["acts"]),
        agreement=line["agreement_id"][:8], version=line["agreement_version"],
    )  # fmt: skip
    world.facts.keep(explained=explanation, explained_line=line, explained_invoice=document["invoice_id"])


async def explanation_of(world: World, invoice_id: str, line_no: int) -> JSON:
    """The whole explanation of a line, all pages."""
    path = f"/api/invoices/{invoice_id}/lines/{line_no}/explanation?limit=200&after="
    explanation = await world.provider.get("billing", f"{path}0")
    while explanation["next"] is not None:
        more = await world.provider.get("billing", f"{path}{explanation['next']}")
        explanation = {**explanation, "acts": explanation["acts"] + more["acts"], "next": more["next"]}
    return explanation


async def corrected(world: World) -> None:
    """Step 5: the late entry had one customer matter too many, another visit never happened."""
    await _rest_billed(world)
    late, body = world.facts.late_visit, world.facts.late_body
    right = {**body, "acts": [{**body["acts"][0], "quantity": 1}]}
    change = {"id": str(uuid4()), "based_on": 1, "reason": "wrong_quantity", "visit": right}
    await world.adviser.post("diary", f"/api/visits/{late}/corrections", change)
    other = await _another_visit(world)
    void = {"id": str(uuid4()), "based_on": other["version"], "reason": "duplicate"}
    answer = await world.adviser.post("diary", f"/api/visits/{other['visit_id']}/void", void)
    made = await run(world, HOME_MUNICIPALITY, {"diary": answer["position"]})
    documents = await documents_of(world, HOME_MUNICIPALITY, made)
    credit = next((each for each in documents if each["payer_id"] == "kela"), None)
    demand(credit is not None, "the run made no document for Kela")
    assert credit is not None
    owed = await owed_by(world, [HOME_MUNICIPALITY], made["cut_offs"])
    check_credit_note(credit, world.facts.first_invoice, world.facts.first_due, owed)
    for payer in {key.payer for key in owed}:
        check_difference([each for each in documents if each["payer_id"] == payer], payer, world.facts.first_due, owed)
    first = world.facts.first_invoice["number"]
    world.teller.proved("credit_note", number=credit["number"], total=Decimal(credit["total"]), first=first)
    known = world.facts.home_documents | {each["number"]: each for each in documents}
    world.facts.keep(home_documents=known, second_due=owed)


async def _rest_billed(world: World) -> None:
    """The national run that began in step 4 must be over before anything changes."""
    if world.background is not None:
        await world.background
        world.background = None
        said = tail(world.stack.root / "log" / "billing-run.log", lines=1)
        world.teller.proved("rest_billed", said=said)


async def _another_visit(world: World) -> JSON:
    """Another billed visit in Salla without papers, if possible one for Kela, as the diary knows it now."""
    log, terms = await world.log("diary"), Terms((await world.log("agreements")).events)
    papers = {event["data"].get("visit_id") for event in log.events if "document_id" in event["data"]}
    found: dict[str, int] = {}
    for visit in standing(log.events, world.facts.first_invoice["cut_offs"]["diary"]).values():
        mine = visit["provider_id"] == HOME_MUNICIPALITY and month_of(visit) <= world.period
        if mine and visit["visit_id"] not in {world.facts.late_visit, *papers}:
            payers = [priced.payer for act in visit["acts"] if (priced := terms.price_of(visit, act))]
            if payers:
                found[visit["visit_id"]] = payers.count("kela")
    demand(bool(found), "no other visit in Salla was billed; load more visits")
    return await world.adviser.get("diary", f"/api/visits/{max(found, key=lambda each: found[each])}")


async def amendment(world: World) -> None:
    """Step 6: dearer since three months ago, agreed today; every month gets its exact difference."""
    agreement = world.facts.explained_line["agreement_id"]
    version, position = await _amended(world, agreement, world.amended_from.isoformat())
    earlier: dict[str, Any] = world.facts.home_documents
    ids = [each["invoice_id"] for each in earlier.values()]
    before = await bodies_of(world, HOME_MUNICIPALITY, ids)
    made = await run(world, HOME_MUNICIPALITY, {"agreements": position})
    documents = await documents_of(world, HOME_MUNICIPALITY, made)
    owed = await owed_by(world, [HOME_MUNICIPALITY], made["cut_offs"])
    months = check_difference(documents, "kela", world.facts.second_due, owed)
    billed_months = {key.month for key in world.facts.second_due if key.payer == "kela"}
    demand({month for month, amount in months.items() if amount} == billed_months, f"not every month differs: {months}")
    demand({each["payer_id"] for each in documents} == {"kela"}, "the amendment changed what another payer owes")
    demand(all(effective_lines_of(each, version) for each in documents), "no line names the new version")
    listed = ", ".join(f"{month} {world.teller.written(amount)} €" for month, amount in sorted(months.items()))
    total = sum((Decimal(each["total"]) for each in documents), Decimal("0.00"))
    world.teller.proved("amendment_difference", number=documents[0]["number"], total=total, months=listed)
    check_untouched(before, await bodies_of(world, HOME_MUNICIPALITY, ids))
    world.teller.proved("invoices_untouched", count=len(before))
    world.facts.keep(amended=True)


def effective_lines_of(document: JSON, version: int) -> list[JSON]:
    """Lines under the new version."""
    return [line for line in document["lines"] if line["agreement_version"] == version]


async def _amended(world: World, agreement: str, effective: str) -> tuple[int, int]:
    """The amendment proposed by the provider and approved by both sides: its version and its position in the log."""
    terms = await _terms_of(world, agreement)
    old = next(item["price"] for item in terms["tariffs"] if item["item"] == "t1")
    dearer = [{**item, "price": str(cents(Decimal(item["price"]) * RISE))} for item in terms["tariffs"]]
    today = world.now.date().isoformat()
    body = {
        "id": str(uuid4()), "effective_from": effective, "signed_on": today, "terms": {**terms, "tariffs": dearer},
    }  # fmt: skip
    path = f"/api/agreements/{agreement}"
    version = (await world.provider.post("agreements", f"{path}/amendments", body))["version"]
    answer: JSON = {}
    for side in (world.provider, world.kela):
        answer = await side.post("agreements", f"{path}/approvals", {"id": str(uuid4()), "version": version})
    demand(answer["in_force"], "both sides approved, and the amendment is not in force")
    new = next(item["price"] for item in dearer if item["item"] == "t1")
    world.teller.proved("amendment_approved", version=version, old=Decimal(old), new=Decimal(new))
    return version, answer["position"]


async def _terms_of(world: World, agreement: str) -> JSON:
    """The complete terms in force today, as the agreements log has them."""
    log = await world.log("agreements")
    version = Terms(log.events).in_force(agreement, world.now.date().isoformat())
    demand(version is not None, "the agreement is not in force")
    assert version is not None
    terms: JSON = version["terms"]
    return terms
