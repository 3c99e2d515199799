"""What the diary's register must hold, one event at a time, in plain dictionaries. Shares no code with the fold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Rows = dict[str, dict[int, dict[str, Any]]]
PREFIX = "fi.yhteispalvelu.agreements."


def register_rows(bodies: Iterable[bytes]) -> Rows:
    """Rows per table and position, out of the events' own bytes."""
    rows: Rows = {}
    for body in bodies:
        event = json.loads(body)
        position, kind, data = int(event["position"]), event["type"].removeprefix(PREFIX).split(".")[0], event["data"]
        for table, row in _rows(kind, data):
            rows.setdefault(table, {})[position] = row
    return rows


def _rows(kind: str, data: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:  # noqa: PLR0911  # One per type.
    if kind == "PartyRegistered":
        party = data["party"]
        told = {"kind": party["kind"], "family": party["family"], "valid_from": party["valid_from"]}
        named = {**_names(party["names"]), "effective_from": party["valid_from"]}
        return [
            ("parties", {"party_id": data["party_id"], **told}),
            ("party_names", {"party_id": data["party_id"], **named}),
        ]
    if kind == "PartyRenamed":
        named = {**_names(data["names"]), "effective_from": data["effective_from"]}
        return [("party_names", {"party_id": data["party_id"], **named})]
    if kind == "PartySucceeded":
        codes = data.get("municipality_codes")
        row = {name: data[name] for name in ("party_id", "successor_id", "effective_from")}
        return [("successions", {**row, "municipalities": " ".join(codes) if codes else None})]
    if kind in ("ServicePointRegistered", "ServicePointChanged"):
        point = data["point"]
        row = {name: point[name] for name in ("provider_id", "municipality_code", "open_from")}
        since = data.get("effective_from", point["open_from"])
        whole = {"service_point_id": data["service_point_id"], **row, **_names(point["names"]), "effective_from": since}
        return [("points", whole)]
    if kind == "ServicePointClosed":
        return [("point_closures", {**data, "successor_id": data.get("successor_id")})]
    if kind == "ServiceDefined":
        row = {name: data[name] for name in ("authority_id", "code", "standard", "valid_from")}
        until = data.get("valid_until")
        return [("services", {**row, **_names(data["names"]), "tasks": " ".join(data["tasks"]), "valid_until": until})]
    if kind in ("AgreementSigned", "AgreementAmended"):
        return [("agreement_versions", _version(data))]
    if kind == "AgreementTerminated":
        return [("agreement_ends", {"agreement_id": data["agreement_id"], "last_day": data["last_day"]})]
    return []


def _names(names: dict[str, str]) -> dict[str, str]:
    return {f"name_{language}": names[language] for language in ("fi", "sv", "en")}


def _version(data: dict[str, Any]) -> dict[str, Any]:
    agreement, terms = data["agreement"], data["terms"]
    return {
        "agreement_id": data["agreement_id"],
        "version": data["version"],
        "provider_id": agreement["provider_id"],
        "commissioner_ids": " ".join(agreement["commissioner_ids"]),
        "service_point_ids": " ".join(agreement["service_point_ids"]),
        "valid_from": agreement["valid_from"],
        "valid_until": agreement.get("valid_until"),
        "effective_from": data["effective_from"],
        "tasks": " ".join(terms["tasks"]),
        "services": " ".join(f"{each['authority_id']}:{each['code']}" for each in terms["services"]),
    }
