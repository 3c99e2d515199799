"""Documents made from the models and topics: ``python -m schemas.docs`` rewrites CATALOGUE.md and asyncapi.json.

CATALOGUE.md is for people, asyncapi.json (AsyncAPI 3.0) for programs. A test makes them again and compares.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from schemas import catalogue, topics, upcasters
from schemas.base import EventData
from schemas.envelope import CONTENT_TYPE
from schemas.publish import short_name
from schemas.registry import NAMESPACE
from schemas.shape import Node, shape

HERE = Path(__file__).parent
CATALOGUE, ASYNCAPI = HERE / "CATALOGUE.md", HERE / "asyncapi.json"
AUTHORITY_TOPICS = tuple(topics.authority_topic("<authority>", service) for service in topics.EVENT_TOPICS)
OLD_TYPES = {old: new for old, (new, _) in upcasters.UPCASTERS.items()}


def area_of(type_name: str) -> str:
    """``diary``, ``authority.diary``, … of a full type name."""
    return short_name(type_name)[0].rpartition(".")[0]


def in_area(area: str) -> list[type[EventData]]:
    """The models of an area, in the order in which their module defines them."""
    return [model for name, model in catalogue.types().items() if area_of(name) == area]


def meaning(model: type[EventData]) -> str:
    """The first paragraph of the model's docstring, or of the one it is a copy of."""
    own = model.__mro__[: model.__mro__.index(EventData)]
    said = next((cls.__doc__ for cls in own if cls.__doc__), "")
    return " ".join(inspect.cleandoc(said).partition("\n\n")[0].split())


def kind(node: Node) -> str:
    """How a field is written in the catalogue."""
    inner = kind(node.item) if node.item is not None else ""
    name = {"object": "{…}", "array": f"[{inner}]", "map": f"{{code: {inner}}}"}.get(
        node.kind, node.format or node.kind
    )
    return name + ("?" if node.nullable or not node.must else "")


def catalogue_page() -> str:
    """The whole of CATALOGUE.md."""
    return "\n".join([*_head(), *_topics(), *_areas(), *_old()]) + "\n"


def _head() -> list[str]:
    return [
        "# Events and topics",
        "",
        "Made from the models by `python -m schemas.docs`; do not edit. What a change would break:",
        "`python -m schemas.compat`. Every type has frozen JSON Schemas in [published/](published) (writer closed,",
        "reader open) and whole events as exact bytes in [samples/](samples). A field with `?` may be absent. Unknown",
        "fields and unknown types are to be ignored by readers.",
        "",
        f"Events are CloudEvents 1.0 in structured JSON (`{CONTENT_TYPE}`). Beside the standard attributes an",
        "event has `recordedtime`, `position` in its log or feed, `streamversion`, and `places`, where authorities",
        "find their copies.",
        "",
    ]


def _topics() -> Iterable[str]:
    yield from ["## Topics", "", "| topic | owner | partitions | kept | replicas (in sync) |", "|---|---|---|---|---|"]
    for topic in (*topics.EVENT_TOPICS.values(), *AUTHORITY_TOPICS):
        kept = "for ever" if topic.retention_ms == topics.FOR_EVER else f"{topic.retention_ms // 86_400_000} days"
        replicas = f"{topic.replication} ({topic.min_insync_replicas})"
        yield f"| `{topic.name}` | {topic.owner} | {topic.partitions} | {kept} | {replicas} |"
    yield ""


def _areas() -> Iterable[str]:
    for area in dict.fromkeys(map(area_of, catalogue.types())):
        yield from [f"## {area}", "", "| type | version | meaning | data |", "|---|---|---|---|"]
        yield from map(_row, in_area(area))
        yield ""


def _row(model: type[EventData]) -> str:
    name, version = short_name(model.TYPE)
    fields = ", ".join(f"{field} {kind(node)}" for field, node in shape(model).fields.items())
    short = name.rpartition(".")[2]
    return f"| [{short}](published/{name}) | {version} | {meaning(model)} | {fields} |".replace("``", "`")


def _old() -> Iterable[str]:
    yield from ["## Old versions", "", "Still in some log; made new while they are read.", ""]
    for old, new in OLD_TYPES.items():
        yield f"- `{old}` becomes `{new}`. {' '.join((upcasters.UPCASTERS[old][1].__doc__ or '').split())}"


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document."""
    areas = dict.fromkeys(area_of(name) for name in catalogue.types())
    channels = {area: _channel(area) for area in areas if area != "log"}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Apudiaari events",
            "version": "1",
            "description": "Unknown fields and types are to be ignored. A seal says that everything up to its position"
            " stands before it in its partition.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": {
            f"receive.{area}": {"action": "receive", "channel": {"$ref": f"#/channels/{area}"}} for area in channels
        },
        "components": {
            "messages": {short_name(name)[0]: _message(model) for name, model in catalogue.types().items()},
            "schemas": {"envelope": _envelope_schema()},
        },
    }


def _channel(area: str) -> dict[str, Any]:
    service = area.removeprefix("authority.")
    types = [short_name(model.TYPE)[0] for model in (*in_area(area), *in_area("log"))]
    channel: dict[str, Any] = {
        "address": topics.EVENT_TOPICS[service].name,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in types},
    }
    if area != service:
        channel["address"] = topics.authority_topic("{authority}", service).name
        channel["parameters"] = {"authority": {"description": "Id of the authority, which reads its own topics only."}}
    return channel


def _message(model: type[EventData]) -> dict[str, Any]:
    name, version = short_name(model.TYPE)
    own = {"type": {"const": model.TYPE}, "data": {"$ref": f"./published/{name}/{version}.reader.json"}}
    return {
        "name": model.TYPE,
        "summary": meaning(model),
        "contentType": CONTENT_TYPE,
        "payload": {"allOf": [{"$ref": "#/components/schemas/envelope"}, {"properties": own}]},
    }


def _envelope_schema() -> dict[str, Any]:
    strings = ("specversion", "source", "type", "subject", "places", "dataschema", "datacontenttype")
    digits = {"type": "string", "pattern": "^[0-9]+$"}
    moment = {"type": "string", "format": "date-time"}
    properties: dict[str, Any] = {name: {"type": "string"} for name in strings}
    properties |= {"id": {"type": "string", "format": "uuid"}, "time": moment, "recordedtime": moment}
    properties |= {"position": digits, "streamversion": digits, "data": {"type": "object"}}
    return {"type": "object", "required": sorted(properties.keys() - {"places"}), "properties": properties}


def rendered() -> dict[Path, bytes]:
    """Both documents as they must stand in the tree."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return {CATALOGUE: catalogue_page().encode(), ASYNCAPI: orjson.dumps(asyncapi(), option=options)}


if __name__ == "__main__":
    for path, content in rendered().items():
        path.write_bytes(content)
        print(f"wrote {path.name}: {len(catalogue.types())} types under {NAMESPACE}")
