"""An authority's feed derived a second time, from the service's log: its own part of each event, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from deploy.demo.naive.evidence import demand

Event = dict[str, Any]
_OWN_TO_THE_COPY = {"visit_ref"}
_SHOWN_OF_A_VISIT = ("occurred_at", "service_day", "hour", "language", "place", "late")


def split_events(answer: bytes) -> tuple[int, list[bytes]]:
    """The head, and the exact bytes of each copy, out of the answer ``{feed, head, events: […]}``."""
    text = answer.decode()
    decoder = json.JSONDecoder()
    head = int(json.loads(text)["head"])
    at = text.index('"events":[') + len('"events":[')
    copies = []
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        copies.append(text[at:end].encode())
        at = end + (text[end] == ",")
    return head, copies


def check_feed(authority: str, copies: Sequence[bytes], events: Sequence[Event]) -> None:
    """The feed is dense from 1 and shows of each event that concerns the authority exactly its part. Raises Refused."""
    concerned = list(concerning(authority, events))
    demand(len(copies) == len(concerned), f"{len(concerned)} events concern {authority}, its feed has {len(copies)}")
    names: dict[str, str] = {}
    for number, (raw, event) in enumerate(zip(copies, concerned, strict=True), 1):
        copy = json.loads(raw)
        demand(copy["position"] == str(number), f"sequence {number} is missing in the feed of {authority}")
        place = f"{authority}:{number}"
        demand(place in event["places"].split(), f"the log does not place its event {event['position']} at {number}")
        _check_attributes(authority, copy, event)
        _check_reference(copy, event, names)
        shown = {name: value for name, value in copy["data"].items() if name not in _OWN_TO_THE_COPY}
        expected = part_of(authority, event)
        if expected is not None:
            demand(shown == expected, f"sequence {number} shows more or less than the part of {authority}")
    demand(len(set(names.values())) == len(names), "two visits have the same reference")


def concerning(authority: str, events: Sequence[Event]) -> Iterator[Event]:
    """Events that the authority must see: those with an act for it, before or after, or a paper for it."""
    documents: dict[str, str] = {}
    for event in events:
        data = event["data"]
        if data.get("coverage"):
            documents[data["document_id"]] = "" if data["coverage"]["status"] == "own" else data["authority_id"]
        facts = [data[name] for name in ("visit", "before", "after") if name in data]
        acts = [act for each in facts for act in _own_acts(authority, each)]
        if acts or documents.get(data.get("document_id", "")) == authority:
            yield event


def _own_acts(authority: str, facts: Event) -> list[Event]:
    own = [act for act in facts["acts"] if act["authority_id"] == authority and act["coverage"]["status"] != "own"]
    return [{**act, "act_no": number} for number, act in enumerate(own, 1)]


def part_of(authority: str, event: Event) -> Event | None:
    """What the copy's data must be without its own references; None for a paper, whose act has another number."""
    data = event["data"]
    if "document_id" in data:
        return None
    shown = {name: data[name] for name in ("service_point_id", "provider_id", "reason") if name in data}
    for name in ("visit", "before", "after"):
        own = _own_acts(authority, data[name]) if name in data else []
        if own:
            kept = {each: data[name][each] for each in _SHOWN_OF_A_VISIT if each in data[name]}
            shown[name] = {**kept, "acts": own}
    return shown


def _check_attributes(authority: str, copy: Event, event: Event) -> None:
    demand(copy["source"] == f"{event['source']}/authority/{authority}", "a copy of another feed")
    demand(copy["recordedtime"] == event["recordedtime"], "a copy with another time of recording")
    demand("places" not in copy, "a copy says where other authorities have theirs")
    hidden = ["recorder", "customers", '"visit_id"', event["id"], event["data"].get("visit_id", "recorder")]
    text = json.dumps(copy)
    demand(not any(secret in text for secret in hidden), "a copy shows what is not the authority's")


def _check_reference(copy: Event, event: Event, names: dict[str, str]) -> None:
    """A visit has one name for the authority, always the same."""
    if "visit_id" in event["data"]:
        visit, reference = event["data"]["visit_id"], copy["data"]["visit_ref"]
        demand(names.setdefault(visit, reference) == reference, "a visit has two references")
