"""Every request that the walk makes: each route's path, query and body filled with the ids of a data set.

A parameter or a body that nobody has taught the walk is a fault, so that a new route cannot stay outside it.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from services.chassis.identity import walk_routes
from tests.support.isolation.people import DataSet
from tests.support.isolation.seed import HELSINKI, act, draft, last_month, names, point_body, terms, visit

MISSING = UUID("deadbeef-0000-4000-8000-000000000000")
SECRET_IDS = frozenset({"visit_id", "document_id", "agreement_id", "invoice_id", "import_id", "run_id"})
"""Ids whose very existence is their owners' affair."""
PAGE_ACCEPT = "text/html,application/xhtml+xml"


class Untaught(AssertionError):
    """The walk does not know what to send."""


@dataclass(frozen=True)
class Asked:
    """One request. ``sent`` is all of it as text: what is echoed from it betrays nothing."""

    service: str
    method: str
    template: str
    path: str
    options: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def sent(self) -> str:
        return self.path + " " + " ".join(str(value) for value in self.options.values())

    @property
    def accept(self) -> str:
        return "application/json" if self.template.startswith("/api/") else PAGE_ACCEPT


def _today() -> str:
    return dt.datetime.now(HELSINKI).date().isoformat()


def _ids(ids: list[UUID]) -> list[str]:
    return [str(each) for each in ids]


IN_PATHS: dict[str, Callable[[DataSet], list[str]]] = {
    "visit_id": lambda d: _ids(d.visits[:1] + d.visits[-2:]),
    "document_id": lambda d: _ids(d.documents),
    "import_id": lambda d: _ids(d.imports),
    "agreement_id": lambda d: [str(d.agreement)],
    "invoice_id": lambda d: [each["invoice_id"] for each in d.invoices],
    "run_id": lambda d: _ids(d.runs),
    "line_no": lambda d: ["1"],
    "authority_id": lambda d: [d.authority],
    "party_id": lambda d: [d.authority, d.provider],
    "service_point_id": lambda d: [d.point],
    "point_id": lambda d: [d.point],
    "code": lambda d: [d.service],
    "day": lambda d: [_today()],
    "build": lambda d: ["0"],
    "name": lambda d: ["app.css"],
}
IN_QUERIES: dict[str, Callable[[DataSet], list[str]]] = {
    "service_point_id": lambda d: [d.point],
    "point": lambda d: [d.point],
    "provider": lambda d: [d.provider],
    "provider_id": lambda d: [d.provider],
    "payer_id": lambda d: [d.authority],
    "party": lambda d: [d.authority, d.provider],
    "authority": lambda d: [d.authority],
    "municipality": lambda d: [d.provider.removeprefix("kunta-")],
    "period": lambda d: [f"{last_month():%Y-%m}"],
    "kind": lambda d: ["invoice"],
    "day": lambda d: [_today(), f"{last_month():%Y-%m}-12"],
    "on": lambda d: [_today()],
    "as_of_valid": lambda d: [_today()],
    "as_of_known": lambda d: ["1"],
    "state": lambda d: ["in_force", "awaiting"],
    "after": lambda d: ["1", str(d.agreement), d.service],
    "stamp_id": lambda d: _ids(d.stamps),
    "limit": lambda d: ["200"],
    "names": lambda d: ["true"],
    "received": lambda d: ["1"],
    "done": lambda d: [str(d.visits[0]) if d.visits else "x"],
    "next": lambda d: ["/"],
    "code": lambda d: ["x"],
    "error": lambda d: ["x"],
    "seen": lambda d: ["x"],
}
_CUBE = "measures=acts&by=authority,service,month"
PAGE_QUERIES: dict[tuple[str, str], Callable[[DataSet], list[str]]] = {
    ("agreements", "/"): lambda d: [f"party={d.authority}", f"point={d.point}", "state=in_force"],
    ("agreements", "/points"): lambda d: [f"q={d.point}"],
    ("billing", "/"): lambda d: [f"payer={d.authority}", f"provider={d.provider}", f"period={last_month():%Y-%m}"],
    ("statistics", "/"): lambda d: [f"authority={d.authority}", f"point={d.point}"],
    ("statistics", "/live"): lambda d: [f"authority={d.authority}", f"point={d.point}"],
    ("statistics", "/api/cube"): lambda d: [
        f"{_CUBE}&authority={d.authority}",
        f"{_CUBE}&service={d.service}",
        f"{_CUBE}&point={d.point}&names=true",
        "measures=acts,quantity,minutes&by=provider,point",
        "measures=visits,customers&by=point,month",
        "measures=visits&by=month",
        "measures=documents&by=authority,point",
        f"measures=documents&by=month&authority={d.authority}",
        "measures=compensation,invoices&by=payer,provider",
        f"measures=compensation&by=month&payer={d.authority}",
        f"measures=visits_with_authority&by=authority,month&provider={d.provider}",
    ],
    ("statistics", "/download.csv"): lambda d: [f"{_CUBE}&authority={d.authority}", "measures=compensation&by=payer"],
}
"""Questions that a route reads from its address without declaring them."""


def _correction(data: DataSet) -> dict[str, Any]:
    change = {"id": str(uuid4()), "based_on": 1, "reason": "mistake"}
    return {**change, "visit": visit(data, dt.datetime.now(HELSINKI), acts=[act(data, quantity=3)])}


def _change(**more: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), **more}


def _received(data: DataSet) -> dict[str, Any]:
    visit_id = str(data.visits[0] if data.visits else MISSING)
    return {
        "service_point_id": data.point, "authority_id": data.authority, "kind": "application", "mode": "handed_over",
        "received_at": dt.datetime.now(HELSINKI).isoformat(), "visit_id": visit_id, "act_no": 1, "paper": {"pages": 1},
    }  # fmt: skip


def _forwarded(data: DataSet) -> dict[str, Any]:
    return _change(based_on=1, forwarded_at=dt.datetime.now(HELSINKI).isoformat(), means="post")


def _csv(data: DataSet) -> dict[str, Any]:
    head = "external_id;occurred_at;authority_id;service;task;channel"
    row = f"walk;{dt.datetime.now(HELSINKI).isoformat()};{data.authority};{data.service};advise;counter"
    return {"content": f"{head}\n{row}\n".encode(), "headers": {"content-type": "text/csv"}}


def _upload(data: DataSet) -> dict[str, Any]:
    files = {"file": ("visits.csv", _csv(data)["content"], "text/csv")}
    return {"files": files, "data": {"point": data.point, "id": str(uuid4())}}


def _form(**fields: str) -> Callable[[DataSet], dict[str, Any]]:
    return lambda data: {"data": {"id": str(uuid4()), **fields}}


def _counter(*names: str) -> Callable[[DataSet], dict[str, Any]]:
    """These fields of the counter's forms; all of them where none is named."""

    def body(data: DataSet) -> dict[str, Any]:
        fields = {
            "point": data.point, "acts": "1", "service-0": f"{data.authority}:{data.service}", "task-0": "advise",
            "channel-0": "counter", "quantity-0": "1", "minutes-0": "5", "performed_by-0": "adviser",
            "customers": "1", "language": "fi", "reason": "mistake", "based_on": "1", "kind": "application",
            "mode": "handed_over", "service": f"{data.authority}:{data.service}", "means": "post",
            **{name: str(uuid4()) for name in ("visit_id", "change_id", "document_id", "stamp_id", "id")},
        }  # fmt: skip
        return {"data": {name: value for name, value in fields.items() if not names or name in names}}

    return body


BODIES: dict[tuple[str, str], Callable[[DataSet], dict[str, Any]]] = {
    ("PUT", "/api/visits/{visit_id}"): lambda d: {"json": visit(d, dt.datetime.now(HELSINKI))},
    ("POST", "/api/visits/{visit_id}/corrections"): lambda d: {"json": _correction(d)},
    ("POST", "/api/visits/{visit_id}/void"): lambda d: {"json": _change(based_on=1, reason="mistake")},
    ("POST", "/api/stamps"): lambda d: {"json": _change(service_point_id=d.point)},
    ("PUT", "/api/documents/{document_id}"): lambda d: {"json": _received(d)},
    ("POST", "/api/documents/{document_id}/forwarded"): lambda d: {"json": _forwarded(d)},
    ("POST", "/api/imports"): _csv,
    ("POST", "/counter/visits"): _counter(),
    ("POST", "/counter/visits/{visit_id}/correct"): _counter(),
    ("POST", "/counter/visits/{visit_id}/void"): _counter("change_id", "based_on", "reason"),
    ("POST", "/counter/stamps"): _counter("stamp_id", "point"),
    ("POST", "/counter/documents/new"): _counter(),
    ("POST", "/counter/documents/{document_id}/forwarded"): _counter("change_id", "based_on", "means"),
    ("POST", "/counter/imports"): _upload,
    ("PUT", "/api/parties/{party_id}"): lambda d: {
        "json": {"kind": "state", "family": "walk", "names": names("Kävelijä"), "valid_from": "2020-01-01"}
    },
    ("POST", "/api/parties/{party_id}/renaming"): lambda d: {
        "json": _change(names=names("Toinen"), effective_from=_today())
    },
    ("POST", "/api/parties/{party_id}/succession"): lambda d: {
        "json": _change(successor_id="kunta-732", effective_from=_today())
    },
    ("PUT", "/api/service-points/{service_point_id}"): lambda d: {"json": point_body(d.provider)},
    ("POST", "/api/service-points/{service_point_id}/changes"): lambda d: {
        "json": _change(effective_from=_today(), point=point_body(d.provider))
    },
    ("POST", "/api/service-points/{service_point_id}/closing"): lambda d: {"json": _change(last_day=_today())},
    ("PUT", "/api/services/{authority_id}/{code}"): lambda d: {
        "json": {"names": names("Toinen"), "tasks": ["advise"], "standard": False, "valid_from": _today()}
    },
    ("PUT", "/api/agreements/{agreement_id}"): lambda d: {"json": draft(d)},
    ("POST", "/api/agreements/{agreement_id}/draft"): lambda d: {"json": _change(based_on=1, **draft(d))},
    ("POST", "/api/agreements/{agreement_id}/approvals"): lambda d: {"json": _change(version=1)},
    ("POST", "/api/agreements/{agreement_id}/amendments"): lambda d: {
        "json": _change(effective_from=_today(), terms=terms(d, "1.00"))
    },
    ("POST", "/api/agreements/{agreement_id}/termination"): lambda d: {
        "json": _change(last_day=_today(), notice_on=_today())
    },
    ("POST", "/agreements/{agreement_id}/approve"): _form(version="1"),
    ("POST", "/agreements/{agreement_id}/amend"): _form(step="send", effective_from="2026-01-01"),
    ("POST", "/agreements/{agreement_id}/terminate"): _form(step="send", last_day="2030-01-01", notice_on="2026-01-01"),
    ("POST", "/run"): lambda d: {
        "data": {
            "id": str(uuid4()),
            "provider": d.provider,
            "provider_id": d.provider,
            "period": f"{last_month():%Y-%m}",
        }
    },
    ("POST", "/api/runs"): lambda d: {"json": _change(provider_id=d.provider, period=f"{last_month():%Y-%m}")},
    ("POST", "/api/previews"): lambda d: {"json": {"provider_id": d.provider, "period": f"{last_month():%Y-%m}"}},
    ("POST", "/sign-out"): lambda d: {"data": {}},
    ("POST", "/sign-out/back-channel"): lambda d: {"data": {"logout_token": "x.y.z"}},
}
_WRITE_QUERIES: dict[str, Callable[[DataSet], str]] = {
    "/api/imports": lambda d: f"?service_point_id={d.point}",
    "/counter/documents/new": lambda d: f"?stamp_id={d.stamps[0] if d.stamps else MISSING}",
}
READING_POSTS = frozenset({"/api/previews"})
"""Posts that change nothing and answer with data: walked as reads too."""


def api_routes(routes: list[BaseRoute]) -> list[tuple[str, str, APIRoute]]:
    """(method, template, route) of every route, also of those outside the API description."""
    found = []
    for template, route in walk_routes(routes):
        assert isinstance(route, APIRoute), f"{template} is a route that cannot declare an action"
        found += [(method, template, route) for method in sorted(route.methods or ())]
    return found


def reads(service: str, routes: list[BaseRoute], data: DataSet) -> Iterator[Asked]:
    """Every reading request about the data set."""
    for method, template, route in api_routes(routes):
        if method == "GET":
            for path, query in itertools.product(paths(template, data), _queries(service, template, route, data)):
                yield Asked(service, method, template, path + query)
        elif template in READING_POSTS:
            yield Asked(service, method, template, template, _body(method, template, data))


def writes(service: str, routes: list[BaseRoute], data: DataSet) -> Iterator[Asked]:
    """Every request that would change something of the data set."""
    for method, template, _ in api_routes(routes):
        if method != "GET" and template not in READING_POSTS:
            for path in paths(template, data):
                query = _WRITE_QUERIES[template](data) if template in _WRITE_QUERIES else ""
                yield Asked(service, method, template, path + query, _body(method, template, data))


def secret_ids(template: str) -> list[str]:
    """The parameters of the path whose existence is a secret."""
    return [name for name in _parameters(template) if name in SECRET_IDS]


def paths(template: str, data: DataSet) -> list[str]:
    """The path filled in every way."""
    parameters = _parameters(template)
    if unknown := [name for name in parameters if name not in IN_PATHS]:
        raise Untaught(f"{template}: say in IN_PATHS what {unknown} may be")
    filled = []
    for values in itertools.product(*(IN_PATHS[name](data) for name in parameters)):
        path = template.replace(":path}", "}")
        for name, value in zip(parameters, values, strict=True):
            path = path.replace("{" + name + "}", value)
        filled.append(path)
    return filled


def _parameters(template: str) -> list[str]:
    return [part[1:-1].split(":")[0] for part in template.split("/") if part.startswith("{")]


def _queries(service: str, template: str, route: APIRoute, data: DataSet) -> list[str]:
    names = [parameter.alias for parameter in route.dependant.query_params]
    if unknown := [name for name in names if name not in IN_QUERIES]:
        raise Untaught(f"{template}: say in IN_QUERIES what {unknown} may be")
    own = PAGE_QUERIES[service, template](data) if (service, template) in PAGE_QUERIES else []
    single = [urlencode({name: value}) for name in names for value in IN_QUERIES[name](data)]
    return ["", *("?" + query for query in (*single, *own))]


def _body(method: str, template: str, data: DataSet) -> dict[str, Any]:
    if (method, template) not in BODIES:
        raise Untaught(f"{method} {template}: say in BODIES what to send")
    return BODIES[method, template](data)
