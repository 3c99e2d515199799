"""What follows some visits: corrections, voids (R16), and entries for the papers that were received (R18, R24)."""

from __future__ import annotations

import datetime as dt

from deploy.demo.network.commands import Body, VisitCommand
from deploy.demo.network.days import rfc3339
from deploy.demo.network.demand import table
from deploy.demo.network.visits import Shift, Stream

KINDS = table([("wrong_service", 26.0), ("wrong_quantity", 26.0), ("wrong_time", 21.0), ("void", 27.0)])
VOID_REASONS = table([("duplicate", 60.0), ("mistake", 40.0)])
DOCUMENT_KINDS = table([("application", 55.0), ("attachment", 30.0), ("notification", 15.0)])
MODES = {"post": "post", "drop_box": "drop_box"}
TRIES = 8
DROP_BOX_EMPTIED = 16 * 3600


def change(stream: Stream, shift: Shift, visit: VisitCommand, second: int, recorded: int) -> None:
    """A correction or a void: half of them the same day, the rest within some weeks, if that time has come."""
    draw = stream.rng.random
    same_day = (shift.day, recorded + 90) if recorded + 90 < shift.until else None
    moment = same_day if draw() < 0.5 else stream.later(shift.day, 1 + int(draw() * 20))
    if moment is None:
        return
    command_id = stream.uuid()
    body: Body = {"id": command_id, "based_on": 1}
    kind = KINDS[stream.slot()]
    if kind == "void":
        body["reason"] = VOID_REASONS[stream.slot()]
    else:
        body["reason"], body["visit"] = _corrected(stream, shift, visit.body, kind, second)
        kind = "correction"
    at = rfc3339(*moment)
    made = VisitCommand(kind, command_id, visit.id, visit.service_point_id, visit.recorder, at, body)
    stream.add(shift, *moment, made)


def _corrected(stream: Stream, shift: Shift, body: Body, kind: str, second: int) -> tuple[str, Body]:
    """The reason and the whole visit as it should have been recorded."""
    first, *others = [dict(act) for act in body["acts"]]
    start = max(start for start, _ in shift.windows if start <= second)
    if kind == "wrong_time" and second > start:
        earlier = start + int(stream.rng.random() * (second - start))
        return kind, {**body, "occurred_at": rfc3339(shift.day, earlier, shift.offset)}
    if kind == "wrong_service":
        instead = _another(stream, shift, body["acts"])
        if instead:
            reason = kind if instead["authority_id"] == first["authority_id"] else "wrong_authority"
            return reason, {**body, "acts": [{**first, **instead}, *others]}
    quantity = first["quantity"] % 3 + 1
    return "wrong_quantity", {**body, "acts": [{**first, "quantity": quantity}, *others]}


def _another(stream: Stream, shift: Shift, acts: list[Body]) -> Body | None:
    """Another act offered here over the same channel, that the visit does not have yet."""
    offered = shift.demand.acts[acts[0]["channel"]]
    taken = {(act["authority_id"], act["service"], act["task"]) for act in acts}
    for _ in range(TRIES):
        found = offered[stream.slot()]
        if found[:3] not in taken:
            return {"authority_id": found.authority_id, "service": found.service, "task": found.task}
    return None


def document(stream: Stream, shift: Shift, visit: VisitCommand, second: int, recorded: int) -> None:
    """The paper of the first receiving act, and its forwarding on the next working day."""
    acts = visit.body["acts"]
    act_no = next(n for n, act in enumerate(acts, 1) if act["task"] == "receive_document")
    body: Body = {
        "service_point_id": visit.service_point_id,
        "authority_id": acts[act_no - 1]["authority_id"],
        "kind": DOCUMENT_KINDS[stream.slot()],
        "mode": MODES.get(acts[act_no - 1]["channel"], "handed_over"),
        "visit_id": visit.id,
        "act_no": act_no,
        **_received(shift, second, acts[act_no - 1]["channel"]),
    }
    if stream.is_history(shift.day):
        body["late_reason"] = stream.history_reason
    document_id = stream.uuid()
    common = (visit.service_point_id, visit.recorder)
    made = VisitCommand("document", document_id, document_id, *common, visit.recorded_at, body)
    stream.add(shift, shift.day, recorded, made)
    moment = stream.later(shift.day, 1)
    if moment:
        stream.add(shift, *moment, _forwarded(stream, document_id, common, moment))


def _received(shift: Shift, second: int, channel: str) -> Body:
    """A moment; of a drop box the bounds between which it was emptied (edge case 5)."""
    at = rfc3339(shift.day, second, shift.offset)
    if channel != "drop_box":
        return {"received_at": at}
    emptied_before = rfc3339(shift.day - dt.timedelta(days=1), DROP_BOX_EMPTIED)
    return {"received_between": {"from": emptied_before, "to": at}}


def _forwarded(stream: Stream, document_id: str, common: tuple[str, str], moment: tuple[dt.date, int]) -> VisitCommand:
    command_id, at = stream.uuid(), rfc3339(*moment)
    body = {"id": command_id, "based_on": 1, "forwarded_at": at, "means": "post"}
    return VisitCommand("forwarded", command_id, document_id, *common, at, body)
