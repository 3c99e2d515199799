"""What somebody sees of the platform, reduced to what others' data could change: figures, lists, words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.support.isolation.people import DataSet, Person
from tests.support.isolation.requests import Asked, reads
from tests.support.isolation.walk import AT_ONCE, Ask

View = dict[str, str]
"""Request → the essence of its answer."""

OF_THE_MACHINE = frozenset({"/metrics", "/health/ready", "/static/{build}/{name:path}"})
"""Routes about the process: they count requests and records of everybody, and are looked at by the walk."""
_MOVING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[0-9:.]*(Z|[+-]\d\d:?\d\d)?"), "<moment>"),
    (re.compile(r"[0-9a-f]{32,}"), "<hash>"),
    (re.compile(r"\b\d+(-\d+){5}\b"), "<positions>"),  # The dashboard's token of where the projection stands.
    (re.compile(r"klo [\d.]+, diaarin sijainti \d+"), "<how fresh>"),  # The same for people, with its moment.
    # Positions in the whole log date an answer (design.md §11); they tell that others write, and nothing of what.
    (re.compile(r'"(position|log_position|sealed|known|diary|agreements|billing)":\d+'), r'"\1":<position>'),
)


def essence(answer: httpx.Response) -> str:
    """Status and body without ids, moments and positions."""
    text = answer.text
    for pattern, shown in _MOVING:
        text = pattern.sub(shown, text)
    return f"{answer.status_code} {text}"


def requests_of(routes: Mapping[str, list[Any]], sets: Sequence[DataSet]) -> dict[str, Asked]:
    """Every read about every data set as it is now; asked again later, they must be answered alike."""
    return {
        f"{service} {request.method} {request.path} {request.options.get('json', '')}": request
        for service, of_service in routes.items()
        for data in sets
        for request in reads(service, of_service, data)
        if request.template not in OF_THE_MACHINE
    }


async def view(person: Person, asked: Mapping[str, Asked], ask: Ask) -> View:
    """What the person is answered."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(request: Asked) -> str:
        async with gate:
            return essence(await ask(person, request))

    answers = await asyncio.gather(*(one(request) for request in asked.values()))
    return dict(zip(asked, answers, strict=True))


def differences(before: View, after: View) -> list[str]:
    """The requests whose answers differ, with the first place where they do."""
    found = []
    for key in before:
        if before[key] != after[key]:
            at = next((n for n, (a, b) in enumerate(zip(before[key], after[key], strict=False)) if a != b), 0)
            shown = (before[key][max(0, at - 60) : at + 60], after[key][max(0, at - 60) : at + 60])
            found.append(f"{key}: …{shown[0]!r}… became …{shown[1]!r}…")
    return found
