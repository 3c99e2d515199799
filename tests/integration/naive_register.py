"""The diary's register, one event at a time; imports nothing of the service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]


def register_rows(events: Iterable[dict[str, Any]]) -> dict[str, list[Row]]:
    """Rows per table, in log order, out of events as they stand on the agreements topic."""
    tables: dict[str, list[Row]] = {
        name: []
        for name in (
            "parties", "party_names", "successions", "points", "point_closures", "services", "agreement_versions",
            "agreement_ends",
        )
    }  # fmt: skip
    for event in events:
        kind = event["type"].split(".")[-2]
        for table, row in _rows(kind, event["data"]):
            tables[table].append({"position": int(event["position"]), **row})
    return {table: rows for table, rows in tables.items() if rows}


def _names(names: Row) -> Row:
    return {f"name_{language}": names[language] for language in ("fi", "sv", "en")}


def _rows(kind: str, data: Row) -> list[tuple[str, Row]]:  # noqa: PLR0911  # One return per kind of event.
    match kind:
        case "PartyRegistered":
            party = data["party"]
            row = {"party_id": data["party_id"], "kind": party["kind"], "family": party["family"]}
            since = party["valid_from"]
            name = {"party_id": data["party_id"], **_names(party["names"]), "effective_from": since}
            return [("parties", {**row, "valid_from": since}), ("party_names", name)]
        case "PartyRenamed":
            name = {"party_id": data["party_id"], **_names(data["names"])}
            return [("party_names", {**name, "effective_from": data["effective_from"]})]
        case "PartySucceeded":
            area = data.get("municipality_codes")
            row = {name: data[name] for name in ("party_id", "successor_id", "effective_from")}
            return [("successions", {**row, "municipalities": " ".join(area) if area is not None else None})]
        case "ServicePointRegistered" | "ServicePointChanged":
            point = data["point"]
            row = {
                "service_point_id": data["service_point_id"],
                "provider_id": point["provider_id"],
                "municipality_code": point["municipality_code"],
                **_names(point["names"]),
                "open_from": point["open_from"],
            }
            return [("points", {**row, "effective_from": data.get("effective_from", point["open_from"])})]
        case "ServicePointClosed":
            row = {"service_point_id": data["service_point_id"], "last_day": data["last_day"]}
            return [("point_closures", {**row, "successor_id": data.get("successor_id")})]
        case "ServiceDefined":
            row = {"authority_id": data["authority_id"], "code": data["code"], **_names(data["names"])}
            row |= {"tasks": " ".join(data["tasks"]), "standard": data["standard"]}
            return [("services", {**row, "valid_from": data["valid_from"], "valid_until": data.get("valid_until")})]
        case "AgreementSigned" | "AgreementAmended":
            return [("agreement_versions", _version(data))]
        case "AgreementTerminated":
            return [("agreement_ends", {"agreement_id": data["agreement_id"], "last_day": data["last_day"]})]
    return []


def _version(data: Row) -> Row:
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
