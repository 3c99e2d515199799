"""Steps 1 to 3: an adviser records, a paper gets its receipt, an authority sees its part."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import sys
from pathlib import Path
from uuid import uuid4

from deploy.demo.naive.evidence import Refused, check_checkpoint, check_manifest, check_receipt, demand
from deploy.demo.naive.feed import check_feed
from deploy.demo.naive.log import check_recorded, check_root
from deploy.demo.naive.topic import check_feed_topic, read_topic
from deploy.demo.telling import short
from deploy.demo.world import HELSINKI, JSON, World, act, moments_ago, visit
from deploy.dev.clients import HOME_POINT
from deploy.dev.layout import REPOSITORY

KELA_TOPIC = "apudiaari.authority.kela.diary"
PAPER = b"Synteettinen hakemus Kelalle, apudiaarin esittely.\n"
PLACES_TRIED = 60


async def recorded(world: World) -> None:
    """Step 1: a visit for two authorities now, and a late entry in the last full month."""
    head, _ = await _head(world)
    now = visit(moments_ago(world.now), [act("kela", "elakkeet", "advise"), act("vero", "verokortti", "advise")])
    when = dt.datetime.fromisoformat(f"{world.period}-15T10:20").replace(tzinfo=HELSINKI)
    late = visit(when, [act("kela", "elakkeet", "advise", quantity=2, minutes=25)], late_reason="paper_notes")
    answers = [await world.record(body) for body in (now, late)]
    log = await world.log("diary")
    for key, body, answer in zip(("visit_recorded", "late_recorded"), (now, late), answers, strict=True):
        event, row = log.event(answer["event_id"]), log.row(answer["position"])
        check_recorded(answer, event, row, body)
        said = event["data"]["visit"].get("late") or {"days": 0, "reason": ""}
        occurred = dt.datetime.fromisoformat(body["occurred_at"])
        world.teller.proved(key, when=occurred, position=row.position, leaf=short(row.leaf), **said)
    world.teller.proved("log_sound", events=len(log.rows))
    world.facts.keep(kela_head=head, late_visit=answers[1]["visit_id"], late_body=late)


async def _head(world: World) -> tuple[int, JSON]:
    answer = await world.kela.get("diary", "/api/feeds/kela?limit=1")
    return answer["head"], answer


async def stamped(world: World) -> None:
    """Step 2: one key stamps the moment, the details follow, and the receipt convinces without the service."""
    adviser, document = world.adviser, uuid4()
    stamp = await adviser.post("diary", "/api/stamps", {"id": str(uuid4()), "service_point_id": HOME_POINT})
    when = dt.datetime.fromisoformat(stamp["stamped_at"]).astimezone(HELSINKI)
    body = {
        "service_point_id": HOME_POINT,
        "authority_id": "kela",
        "kind": "application",
        "mode": "handed_over",
        "stamp_id": stamp["stamp_id"],
        "visit_id": str(uuid4()),
        "act_no": 1,
        "visit": visit(moments_ago(when), [act("kela", "asumistuki", "receive_document", minutes=6)]),
        "content_base64": base64.b64encode(PAPER).decode(),
    }
    await adviser.put("diary", f"/api/documents/{document}", body)
    receipt = await adviser.bytes("diary", f"/api/documents/{document}/receipt")
    keys = await adviser.get("diary", "/api/keys")
    await _verified(world, receipt, keys)
    log = await world.log("diary")
    _, size, root = check_checkpoint(json.loads(receipt)["checkpoint"], keys["keys"])
    check_root(log.rows, size, root)
    world.teller.proved("checkpoint_true", size=size, root=short(root))
    tried = refused_when_changed(receipt, keys["keys"])
    world.teller.proved("receipt_refused", count=tried)
    world.stack.add_sample_ids(document_id=str(document))


async def _verified(world: World, receipt: bytes, keys: JSON) -> None:
    """Two verifiers accept the receipt with its paper; the command line refuses one changed byte and another paper."""
    check_receipt(receipt, keys["keys"], PAPER)
    good, bad = world.keep_file("receipt.json", receipt), world.keep_file("receipt-changed.json", altered(receipt))
    paper, other = world.keep_file("paper.txt", PAPER), world.keep_file("other.txt", PAPER + b" ")
    key_file = world.keep_file("keys.json", keys)
    codes = await asyncio.gather(
        _command_line(good, key_file, paper), _command_line(bad, key_file, paper), _command_line(good, key_file, other)
    )
    demand(codes[0] == 0, "the command line refuses a true receipt")
    demand(all(code != 0 for code in codes[1:]), "the command line accepts a changed receipt or another paper")
    world.teller.proved("receipt_verified")


async def _command_line(receipt: Path, keys: Path, paper: Path) -> int:
    arguments = ["verify", str(receipt), "--keys", str(keys), "--document", str(paper)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.chassis.evidence", *arguments, cwd=REPOSITORY, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


def altered(receipt: bytes) -> bytes:
    """One byte changed where it keeps the file well-formed: the last digit of the position in the statement."""
    at = receipt.index(b'\\"position\\":') + len(b'\\"position\\":')
    return receipt[:at] + (b"9" if receipt[at : at + 1] != b"9" else b"8") + receipt[at + 1 :]


def refused_when_changed(receipt: bytes, keys: list[str]) -> int:
    """Change one byte at many places in turn; the second verifier must refuse each. Returns how many were tried."""
    step = max(len(receipt) // PLACES_TRIED, 1)
    tried = 0
    for at in range(0, len(receipt), step):
        changed = receipt[:at] + bytes([receipt[at] ^ 1]) + receipt[at + 1 :]
        if _means_the_same(receipt, changed):
            continue
        tried += 1
        try:
            check_receipt(changed, keys)
        except Refused:
            continue
        raise Refused(f"byte {at} of the receipt can be changed unseen")
    return tried


def _means_the_same(receipt: bytes, changed: bytes) -> bool:
    """White space between the parts of a JSON file is nobody's claim."""
    try:
        return bool(json.loads(receipt) == json.loads(changed))
    except ValueError:
        return False


async def own_feed(world: World) -> None:
    """Step 3: Kela's feed is its part of the log, over HTTP, on Kafka and in the manifest of the day."""
    log = await world.log("diary")
    head, copies = await world.feed("kela")
    check_feed("kela", copies, log.events)
    first = world.facts.kela_head + 1
    demand(head == len(copies) and head > world.facts.kela_head + 2, "the entries of the story are not in the feed")
    world.teller.proved("feed_dense", first=first, last=head, copies=len(copies))
    records = await asyncio.to_thread(
        read_topic, world.stack.broker.bootstrap, KELA_TOPIC, 1, lambda seen: seen >= len(copies)
    )
    check_feed_topic(records, copies)
    world.teller.proved("feed_topic", topic=KELA_TOPIC)
    day = world.now.date()
    manifest = await world.kela.get("diary", f"/api/feeds/kela/manifests/{day}")
    keys = await world.kela.get("diary", "/api/keys")
    statement = check_manifest(manifest, keys["keys"], copies)
    demand(statement["last"] == head, "the manifest does not count the newest entry")
    world.teller.proved("manifest_counts", day=day, count=statement["count"])
