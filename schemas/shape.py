"""The shape of an event model as a small tree, read from its JSON Schema, so that the model is the only definition.

Polars schemas, null checks, the compatibility report and the catalogue are all walks over this tree. A path is written
``visit.acts[].coverage.status``; ``[]`` stands for every element of an array, ``{}`` for every value of a map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel

BOUNDS = {
    "minimum": "ge",
    "maximum": "le",
    "pattern": "pattern",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_items",
    "maxItems": "max_items",
    "enum": "enum",
}
FORMATS = {"uuid": "uuid", "date-time": "moment", "date": "date"}


@dataclass(frozen=True, slots=True)
class Node:
    """One value. ``kind``: ``object``, ``array``, ``map``, ``string``, ``integer``, ``boolean``.

    must: the reader refuses its absence. nullable: null and absence mean the same. ``bounds``: kind of check → bound.
    ``format``: ``uuid``, ``moment``, ``date`` or empty.
    """

    kind: str
    must: bool = True
    nullable: bool = False
    default: Any = None
    format: str = ""
    bounds: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Node] = field(default_factory=dict)
    item: Node | None = None


@cache
def shape(model: type[BaseModel]) -> Node:
    """The tree of ``model``."""
    return from_json_schema(model.model_json_schema(mode="validation"))


def from_json_schema(schema: dict[str, Any]) -> Node:
    """The tree of a JSON Schema as pydantic writes it for our models; raises ValueError on anything else."""
    return _node(schema, schema.get("$defs", {}), must=True, default=None)


def _node(schema: dict[str, Any], defs: dict[str, Any], *, must: bool, default: Any) -> Node:
    branches = [b for b in schema.get("anyOf", [schema]) if b.get("type") != "null"]
    if len(branches) != 1:
        raise ValueError(f"an event value has one type, or one and null: {schema}")
    branch = branches[0]
    while "$ref" in branch:
        branch = defs[branch["$ref"].rsplit("/", 1)[1]]
    if "const" in branch:
        branch = branch | {"enum": [branch["const"]]}
    kind = _kind(branch)
    required = set(branch.get("required", ()))
    return Node(
        kind=kind,
        must=must,
        nullable="anyOf" in schema,
        default=default,
        format=FORMATS.get(branch.get("format", ""), ""),
        bounds={ours: branch[theirs] for theirs, ours in BOUNDS.items() if theirs in branch},
        fields={
            name: _node(part, defs, must=name in required, default=part.get("default"))
            for name, part in branch.get("properties", {}).items()
        },
        item=_node(element, defs, must=True, default=None) if (element := _element(branch, kind)) else None,
    )


def _element(branch: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The schema of an array's elements or of a map's values; None for a map of anything."""
    if kind == "array":
        return dict(branch["items"])
    values = [*branch.get("patternProperties", {}).values(), branch.get("additionalProperties")]
    return values[0] if kind == "map" and isinstance(values[0], dict) else None


def _kind(branch: dict[str, Any]) -> str:
    kind = branch.get("type")
    if kind == "object" and "properties" not in branch:
        return "map"
    if kind not in {"object", "array", "string", "integer", "boolean"}:
        raise ValueError(f"an event holds no value of type {kind!r}: {branch}")
    return str(kind)


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every value below ``node`` with its path, parents first."""
    for name, child in node.fields.items():
        below = f"{path}.{name}" if path else name
        yield below, child
        yield from walk(child, below)
    if node.item is not None:
        below = f"{path}[]" if node.kind == "array" else f"{path}{{}}"
        yield below, node.item
        yield from walk(node.item, below)
