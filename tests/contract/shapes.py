"""The minimal shapes of design.md §11 as JSON Schemas, written here by hand and not taken from the services.

Fields may be added, so no schema forbids more; what is named must be there, of that kind.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def thing(required: Schema, **optional: Schema) -> Schema:
    """An object with these fields; keyword fields need not be there."""
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def many(item: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": item, "minItems": least}


UUID: Schema = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
SLUG: Schema = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{1,39}$"}
MONEY: Schema = {"type": "string", "pattern": "^-?(0|[1-9][0-9]*)\\.[0-9]{2}$"}
PRICE: Schema = {"type": "string", "pattern": "^(0|[1-9][0-9]*)\\.[0-9]{2,4}$"}
MOMENT: Schema = {
    "type": "string",
    "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$",
}
POSITION: Schema = {"type": "integer", "minimum": 1}
COUNT: Schema = {"type": "integer", "minimum": 0}
TEXT: Schema = {"type": "string", "minLength": 1}
COVERAGE: Schema = {"enum": ["in_force", "outside_scope", "none"]}


def page(item: Schema, least: int = 0) -> Schema:
    """A list and the cursor of the next page."""
    return thing({"items": many(item, least), "next": {}})


PROBLEM = thing(
    {"type": TEXT, "title": TEXT, "status": {"type": "integer", "minimum": 400}, "code": TEXT, "detail": TEXT},
    errors=many(thing({"pointer": {"type": "string"}, "code": TEXT})),
)
ACT = thing({"act_no": POSITION, "coverage": COVERAGE}, agreement_id=UUID, agreement_version=POSITION)
VISIT = thing(
    {
        "visit_id": UUID, "event_id": UUID, "position": POSITION, "version": POSITION, "recorded_at": MOMENT,
        "acts": many(ACT, 1),
    }
)  # fmt: skip
VOIDED = thing({"visit_id": UUID, "event_id": UUID, "position": POSITION, "version": POSITION, "recorded_at": MOMENT})
STAMP = thing({"stamp_id": UUID, "stamped_at": MOMENT, "key_id": TEXT, "signature": TEXT})
DOCUMENT = thing({"document_id": UUID, "event_id": UUID, "position": POSITION})
RECEIPT = thing(
    {name: {} for name in ("statement", "event", "proof", "checkpoint")} | {"key_id": TEXT, "signature": TEXT}
)
IMPORT = thing(
    {
        "import_id": UUID,
        "rows": thing(dict.fromkeys(("read", "recorded", "repeated", "rejected"), COUNT)),
        "rejected": many(thing({"line": POSITION, "code": {"type": "string"}, "detail": TEXT})),
    }
)
FEED = thing({"feed": SLUG, "head": COUNT, "events": many({})})
RECORDED = thing({"event_id": UUID, "position": POSITION, "recorded_at": MOMENT})
PROPOSED = thing({"event_id": UUID, "position": POSITION, "version": POSITION})
APPROVED = thing({"event_id": UUID, "position": POSITION, "in_force": {"type": "boolean"}, "waiting_for": many(SLUG)})
AGREEMENT = thing({"agreement_id": UUID, "state": TEXT, "provider_id": SLUG, "commissioner_ids": many(SLUG, 1)})
CUT_OFFS = thing({"diary": COUNT, "agreements": COUNT})
INVOICED = thing(
    {
        "invoice_id": UUID, "number": TEXT, "kind": {"enum": ["invoice", "credit_note"]}, "payer_id": SLUG,
        "total": MONEY, "corrects": many(TEXT),
    }
)  # fmt: skip
RUN = thing({"invoices": many(INVOICED), "cut_offs": CUT_OFFS})
EXPLANATION = thing(
    {
        "quantity": {"type": "integer"}, "unit_price": PRICE, "amount": MONEY, "agreement_id": UUID,
        "version": POSITION, "clause": TEXT,
        "acts": many(thing({"visit_ref": TEXT, "act_no": POSITION, "event_id": UUID, "sign": {"enum": [1, -1]}}), 1),
    }
)  # fmt: skip
CUBE = thing({"columns": many(TEXT, 1), "rows": many({"type": "array"}, 1), "positions": {"type": "object"}})
HEALTH = thing({"status": {"enum": ["ready", "degraded", "live"]}})

PATHS: dict[str, dict[str, tuple[str, ...]]] = {
    "diary": {
        "/api/visits/{}": ("put",), "/api/visits/{}/corrections": ("post",), "/api/visits/{}/void": ("post",),
        "/api/visits": ("get",), "/api/stamps": ("post",), "/api/documents/{}": ("put",),
        "/api/documents/{}/forwarded": ("post",), "/api/documents/{}/receipt": ("get",), "/api/imports": ("post",),
    },
    "agreements": {
        "/api/parties/{}": ("put",), "/api/service-points/{}": ("put",), "/api/services/{}/{}": ("put",),
        "/api/agreements/{}": ("put", "get"), "/api/agreements/{}/approvals": ("post",),
        "/api/agreements/{}/amendments": ("post",), "/api/agreements/{}/termination": ("post",),
    },
    "billing": {
        "/api/runs": ("post",), "/api/invoices": ("get",), "/api/invoices/{}": ("get",),
        "/api/invoices/{}/lines/{}/explanation": ("get",), "/api/previews": ("post",),
    },
    "statistics": {"/api/cube": ("get",)},
}  # fmt: skip
"""Stable paths of design.md §11 that are built, with their methods; {} is a parameter."""
EVERYWHERE = {"/health/live": ("get",), "/health/ready": ("get",), "/metrics": ("get",)}
OF_A_LOG = {"/api/feeds/{}": ("get",), "/api/feeds/{}/manifests/{}": ("get",)}
