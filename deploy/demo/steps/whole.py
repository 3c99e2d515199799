"""Steps 7 to 9: statistics, a rebuild beside the live projection, and a broker that loses everything."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

from deploy.demo.load import AGREEMENTS, BILLING, DIARY, until_known
from deploy.demo.naive import rows
from deploy.demo.naive.cubes import check_cube, compensation, documents_issued
from deploy.demo.naive.evidence import demand
from deploy.demo.naive.invoices import check_invoiced, check_numbers
from deploy.demo.naive.log import Log, check_acknowledged
from deploy.demo.naive.topic import check_feed_topic, check_topic, read_topic
from deploy.demo.naive.visits import count_acts, count_customers, count_visits, standing
from deploy.demo.steps.billing import explanation_of, owed_by
from deploy.demo.steps.counter import KELA_TOPIC
from deploy.demo.world import JSON, World, act, moments_ago, month_before, visit
from deploy.dev.clients import HOME_POINT
from deploy.dev.kafka import Kafka
from deploy.dev.process import tail

SEEN_MS_MAX = 1000
SEEN_S = 30.0
TOPICS = (("diary", DIARY, 12), ("agreements", AGREEMENTS, 1), ("billing", BILLING, 1))
"""Log, topic and partitions."""
SERVICES = ("diary", "agreements", "billing", "statistics")


async def statistics(world: World) -> None:
    """Step 7: an entry, its correction and its voiding, each timed from its answer to the figure; then all totals."""
    base = await _figure(world)
    body = visit(moments_ago(world.now), [act("vero", "omavero", "advise", quantity=2)])
    answer = await world.record(body)
    recorded = await _seen(world, base + 2)
    path = f"/api/visits/{answer['visit_id']}"
    right = {**body, "acts": [{**body["acts"][0], "quantity": 3}]}
    change = {"id": str(uuid4()), "based_on": 1, "reason": "wrong_quantity", "visit": right}
    await world.adviser.post("diary", f"{path}/corrections", change)
    corrected = await _seen(world, base + 3)
    await world.adviser.post("diary", f"{path}/void", {"id": str(uuid4()), "based_on": 2, "reason": "mistake"})
    voided = await _seen(world, base)
    slowest = max(recorded, corrected, voided)
    demand(slowest <= SEEN_MS_MAX, f"a figure followed only after {slowest} ms")
    world.teller.proved("seen_after", recorded=recorded, corrected=corrected, voided=voided)
    await totals_equal(world)


async def _figure(world: World) -> int:
    """Quantity of OmaVero advice in Salla this month, as the ministry sees it."""
    month = month_before(world.now.date(), 0)
    query = f"measures=quantity&by=month&point={HOME_POINT}&authority=vero&service=omavero&from={month}&to={month}"
    found = (await world.ministry.get("statistics", f"/api/cube?{query}"))["rows"]
    return int(found[0][1]) if found else 0


async def _seen(world: World, figure: int) -> int:
    """Milliseconds until the figure is shown."""
    began = time.monotonic()
    while await _figure(world) != figure:
        demand(time.monotonic() - began < SEEN_S, f"the figure {figure} was never shown")
        await asyncio.sleep(0.01)
    return round((time.monotonic() - began) * 1000)


async def totals_equal(world: World) -> None:
    """Every month and authority: statistics against the logs, counted one by one."""
    diary, billing = await world.log("diary"), await world.log("billing")
    await until_known(world.operator, "statistics", {DIARY: len(diary.rows), BILLING: len(billing.rows)})
    visits = list(standing(diary.events).values())
    acts = count_acts(visits)
    await _check(world, "visits", "month", {(month,): n for month, n in count_visits(visits).items()})
    await _check(world, "customers", "month", {(month,): n for month, n in count_customers(visits).items()})
    await _check(world, "acts", "month,authority", acts)
    money = compensation(billing.events)
    await _check(world, "compensation", "month,authority", money)
    for kind, measure in (("InvoiceIssued", "invoices"), ("CreditNoteIssued", "credit_notes")):
        await _check(world, measure, "month", documents_issued(billing.events, kind))
    total = sum(money.values(), Decimal("0.00"))
    world.teller.proved("totals_equal", visits=len(visits), acts=sum(acts.values()), total=total)


async def _check(world: World, measure: str, by: str, counted: Mapping[Any, int | Decimal]) -> None:
    """All pages of one table of figures against a recount."""
    shown: list[list[Any]] = []
    after = ""
    while True:
        answer = await world.ministry.get("statistics", f"/api/cube?measures={measure}&by={by}&limit=5000{after}")
        shown += answer["rows"]
        if answer["next"] is None:
            break
        after = f"&after={answer['next']}"
    check_cube(measure, shown, counted)


async def rebuilt(world: World) -> None:
    """Step 8: version 2 beside version 1, row by row; switched, back, and switched again."""
    await world.stack.run("billing", "rebuild", "--switch")
    said = tail(world.stack.root / "log" / "billing-rebuild.log", lines=40)
    old, version = 1, int(re.findall(r"version (\d+) is read from now on", said)[-1])
    versions, pages = [version], [await _explained_again(world)]
    tables = await rows.both(world.dsn("billing"), f"billing_v{old}", f"billing_v{version}")
    for name, (left, right) in tables.items():
        rows.check_equal(name, left, right)
    log = await world.log("diary")
    acts = await rows.acts(world.dsn("billing"), f"billing_v{version}")
    rows.check_acts(acts, log.events)
    count = sum(left.total() for left, _ in tables.values())
    world.teller.proved("rebuilt", version=version, old=old, rows=count)
    for wanted in (old, version):
        await world.stack.run("billing", "switch", "--version", str(wanted))
        versions.append(wanted)
        pages.append(await _explained_again(world))
    demand(all(page == world.facts.explained for page in pages), "the line is explained otherwise after a switch")
    world.teller.proved("switched", versions=" → ".join(map(str, versions)))


async def _explained_again(world: World) -> JSON:
    """The line of step 4, from the version that is read now."""
    return await explanation_of(world, world.facts.explained_invoice, world.facts.explained_line["line_no"])


async def broker_lost(world: World) -> None:
    """Step 9: the broker and its whole log are gone; what comes back is judged by journal, logs and recount."""
    before = {name: world.stack.pid(name) for name in SERVICES}
    await world.stack.kill_broker_and_start_empty()
    await world.stack.until_ready()
    if isinstance(world.stack.broker, Kafka):
        demand({name: world.stack.pid(name) for name in SERVICES} == before, "a service was restarted")
        world.teller.proved("services_stayed")
    else:
        world.teller.proved("services_with_broker")
    world.logs = {name: Log(world.dsn(name)) for name in world.logs}
    await _topics_whole(world)
    await _nothing_lost(world)
    base = await _figure(world)
    await world.record(visit(moments_ago(world.now), [act("vero", "omavero", "advise")]))
    world.teller.proved("still_live", seen=await _seen(world, base + 1))
    await totals_equal(world)
    await _national(world)


async def _topics_whole(world: World) -> None:
    """The relay has published everything again: each topic against its log, Kela's against its feed."""
    repeats = events = 0
    for name, topic, partitions in TOPICS:
        log = await world.log(name)
        records = await asyncio.to_thread(
            read_topic, world.stack.broker.bootstrap, topic, partitions, _at_least(len(log.rows)), within_s=60
        )
        repeats += check_topic(records, log.rows, partitions)
        events += len(log.rows)
    _, copies = await world.feed("kela")
    bootstrap = world.stack.broker.bootstrap
    records = await asyncio.to_thread(read_topic, bootstrap, KELA_TOPIC, 1, _at_least(len(copies)), within_s=60)
    check_feed_topic(records, copies)
    world.teller.proved("topics_whole", events=events, copies=len(copies), repeats=repeats)


def _at_least(wanted: int) -> Callable[[int], bool]:
    return lambda seen: seen >= wanted


async def _nothing_lost(world: World) -> None:
    promises = 0
    for name in ("diary", "agreements"):
        log = await world.log(name)
        promises += check_acknowledged(world.journal.promised(name), log.rows, log.events)
    world.teller.proved("nothing_lost", promises=promises)


async def _national(world: World) -> None:
    """Every provider's documents against what is due by the raw events, and the order of all numbers."""
    billing, diary, agreements = [await world.log(name) for name in ("billing", "diary", "agreements")]
    documents = [event["data"] for event in billing.events if "lines" in event["data"]]
    check_numbers(documents)
    closed = {event["data"]["provider_id"] for event in billing.events if "opens" in event["data"]}
    cut_offs = {"diary": len(diary.rows), "agreements": len(agreements.rows)}
    total = check_invoiced(documents, await owed_by(world, sorted(closed), cut_offs))
    counts = Counter(each["provider_id"] for each in documents)
    world.teller.proved("national_due", providers=len(counts), documents=len(documents), total=total)
