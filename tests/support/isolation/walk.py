"""The walk: send every request as everybody, and look in each answer for what the asker must not see."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import httpx

from services.chassis.access import Action
from services.chassis.identity import declared_action
from tests.support.isolation.people import PEOPLE, POINTS, DataSet, Person
from tests.support.isolation.requests import MISSING, Asked, api_routes, reads, secret_ids, writes
from tests.support.isolation.seed import PARTIES

Ask = Callable[[Person, Asked], Awaitable[httpx.Response]]
AT_ONCE = 8
REFUSALS = {401, 403, 404}
AWAY = frozenset({"/sign-in"})
"""Asks the persons' provider, which does not run here (503)."""
OF_A_POINT = frozenset({"/api/stamps", "/counter/stamps", "/counter/documents/new"})
"""A stamp belongs to a point and to no authority yet: whoever works there may make one."""
OF_THE_ASKER = frozenset({"/run"})
"""Forms that take from the token whose business it is, so that nobody can name another's."""
_TRACE_ID = re.compile(r'"trace_id":"[0-9a-f]{32}"|[0-9a-f]{32}')


@dataclass(frozen=True)
class Finding:
    """What was wrong with one answer."""

    person: str
    asked: str
    what: str

    def __str__(self) -> str:
        return f"{self.person}: {self.asked}: {self.what}"


def undeclared(routes: Sequence[Any]) -> list[str]:
    """Routes without an action."""
    return [
        f"{method} {template}" for method, template, route in api_routes(list(routes)) if not declared_action(route)
    ]


def shows_register(service: str, template: str, action: Action | None) -> bool:
    """Whether the open register is what is read: its own routes, and the counter's forms, which offer its catalogue."""
    return action is Action.READ_REGISTER or (service == "diary" and not template.startswith("/api/"))


def plain(text: str) -> str:
    """A text as it is meant: escapes undone, thousands joined, decimal points for commas."""
    undone = unquote_plus(text) if "%" in text else text
    undone = html.unescape(undone) if "&#" in undone else undone
    return undone.replace("\u00a0", "").replace("\u202f", "").replace(",", ".").lower()


_plain_trace = lru_cache(maxsize=4096)(plain)


def traces_for(person: Person, sets: Iterable[DataSet], service: str, *, of_register: bool) -> set[str]:
    """Everything that the person must not find."""
    sets = list(sets)
    own = [each for each in sets if each.concerns(person, service)]
    found = {trace for each in sets if each not in own for trace in each.traces(of_register=of_register)}
    found -= {trace for each in own for trace in each.seen | each.register}
    if not of_register:
        known = {party for each in own for party in each.parties} | {person.party}
        for party in PARTIES.keys() - known:
            _, name, business_id = PARTIES[party]
            found |= {name, business_id}
    return found


def betrayed(answer: httpx.Response, sent: str, traces: set[str]) -> list[str]:
    """Traces in the body or the headers, except what the request itself said, with the names of what it named."""
    told = plain(answer.text + "\n" + "\n".join(f"{name}: {value}" for name, value in answer.headers.items()))
    found = sorted(trace for trace in traces if _plain_trace(trace) in told)
    if not found:
        return []
    named = [" ".join(PARTIES[party]) for party, point in POINTS.items() if point in sent]
    said = plain(" ".join([sent, *named]))
    return [trace for trace in found if _plain_trace(trace) not in said]


def gist(answer: httpx.Response) -> str:
    """An answer in one line; of a page, its title."""
    title = re.search(r"<title>(.*?)</title>", answer.text, re.S)
    return " ".join((title.group(1) if title else answer.text).split())[:160]


async def walk_reads(service: str, routes: list[Any], sets: Sequence[DataSet], ask: Ask) -> tuple[int, list[Finding]]:
    """Every read by everybody: how many answers were looked at, and the findings."""
    actions = {template: declared_action(route) for method, template, route in api_routes(routes)}
    asked = {each.path + str(sorted(each.options)): each for data in sets for each in reads(service, routes, data)}

    async def one(person: Person, request: Asked) -> list[Finding]:
        answer = await ask(person, request)
        of_register = shows_register(service, request.template, actions[request.template])
        traces = traces_for(person, sets, service, of_register=of_register)
        found = [f"shows {each}" for each in betrayed(answer, request.sent, traces)]
        if answer.status_code >= 500 and request.template not in AWAY:
            found.append(f"answers {answer.status_code}: {gist(answer)}")
        return [Finding(person.name, f"{request.method} {request.path}", each) for each in found]

    jobs = [(person, request) for person in PEOPLE for request in asked.values()]
    return len(jobs), await _all(one, jobs)


async def walk_existence(service: str, routes: list[Any], sets: Sequence[DataSet], ask: Ask) -> list[Finding]:
    """What is another's and what does not exist are told apart by nobody: same status, same words."""

    async def one(person: Person, request: Asked) -> list[Finding]:
        theirs = await ask(person, request)
        absent = await ask(person, _of_nothing(request))
        if (theirs.status_code, same_words(theirs.text)) == (absent.status_code, same_words(absent.text)):
            return []
        what = f"{theirs.status_code} where nothing gives {absent.status_code}: {gist(theirs)}"
        return [Finding(person.name, f"{request.method} {request.path}", what)]

    jobs = [
        (person, request)
        for data in sets
        for request in (*reads(service, routes, data), *writes(service, routes, data))
        if secret_ids(request.template) and request.method != "PUT"
        for person in PEOPLE
        if not data.concerns(person, service)
    ]
    return await _all(one, jobs)


async def walk_writes(service: str, routes: list[Any], sets: Sequence[DataSet], ask: Ask) -> list[Finding]:
    """Nobody changes what is another's, and no refusal says anything about it."""
    actions = {(method, template): declared_action(route) for method, template, route in api_routes(routes)}

    async def one(person: Person, request: Asked) -> list[Finding]:
        answer = await ask(person, request)
        of_register = shows_register(service, request.template, actions[request.method, request.template])
        traces = traces_for(person, sets, service, of_register=of_register)
        found = [f"shows {each}" for each in betrayed(answer, request.sent, traces)]
        if answer.status_code not in _allowed(request):
            found.append(f"answers {answer.status_code}: {gist(answer)}")
        return [Finding(person.name, f"{request.method} {request.path}", each) for each in found]

    jobs = [
        (person, request)
        for data in sets
        for request in writes(service, routes, data)
        for person in PEOPLE
        if not data.concerns(person, service)
        and actions[request.method, request.template] is not Action.OPEN
        and not (person.role == "register_keeper" and service == "agreements")
        and request.template not in OF_THE_ASKER
        and not (request.template in OF_A_POINT and data.point in person.points)
    ]
    return await _all(one, jobs)


def _allowed(request: Asked) -> set[int]:
    """A client makes the ids of what it puts, so that one already used must be refused as such (409). A page shows its
    form again (422).
    """
    if request.method == "PUT":
        return REFUSALS | {409}
    return REFUSALS | (set() if request.template.startswith("/api/") else {422})


def _of_nothing(request: Asked) -> Asked:
    """The same request about ids that nobody ever made."""
    path = request.path
    for number, each in enumerate(dict.fromkeys(_UUID.findall(path))):
        path = path.replace(each, str(UUID(int=MISSING.int + number)))
    return Asked(request.service, request.method, request.template, path, request.options)


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def same_words(text: str) -> str:
    """A body without what may differ: ids, also of traces."""
    return _TRACE_ID.sub("#", _UUID.sub("#", text))


async def _all(one: Callable[[Person, Asked], Awaitable[list[Finding]]], jobs: list[Any]) -> list[Finding]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def bounded(person: Person, request: Asked) -> list[Finding]:
        async with gate:
            return await one(person, request)

    return [finding for found in await asyncio.gather(*(bounded(*job) for job in jobs)) for finding in found]
