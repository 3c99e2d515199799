"""The JSON Schemas as published: made from the models, frozen once written.

``published/<area>.<Type>/<version>.writer.json`` is closed (``additionalProperties: false``), what a producer is held
to; ``.reader.json`` is open, what a subscriber may rely on. Explanations are left out: a better docstring is no new
contract.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from schemas.base import EventData, reader
from schemas.registry import NAMESPACE

ROOT = Path(__file__).parent / "published"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SIDES = ("writer", "reader")


def short_name(type_name: str) -> tuple[str, int]:
    """``fi.yhteispalvelu.diary.VisitRecorded.v1`` → (``diary.VisitRecorded``, 1)."""
    name, _, version = type_name.removeprefix(f"{NAMESPACE}.").rpartition(".v")
    return name, int(version)


def full_name(name: str, version: int) -> str:
    """The CloudEvents type of a short name and version."""
    return f"{NAMESPACE}.{name}.v{version}"


def path_of(type_name: str, side: str, root: Path = ROOT) -> Path:
    """Where the schema of a type is published."""
    name, version = short_name(type_name)
    return root / name / f"{version}.{side}.json"


def published_types(root: Path = ROOT) -> list[str]:
    """Every type that was ever published, by full name."""
    return sorted(full_name(path.parent.name, int(path.name.split(".")[0])) for path in root.glob("*/*.writer.json"))


def load(type_name: str, side: str, root: Path = ROOT) -> dict[str, Any]:
    """A published schema; raises FileNotFoundError."""
    schema: dict[str, Any] = orjson.loads(path_of(type_name, side, root).read_bytes())
    return schema


def generate(model: type[EventData], side: str) -> dict[str, Any]:
    """The JSON Schema of ``model``'s data for one side."""
    name, version = short_name(model.TYPE)
    source: type[BaseModel] = model if side == "writer" else reader(model)
    head = {"$schema": DIALECT, "$id": f"/schemas/{name}/{version}", "title": f"{name} {version} ({side})"}
    body: dict[str, Any] = _bare(source.model_json_schema(mode="validation"))
    return head | body


def rendered(model: type[EventData], side: str) -> bytes:
    """The file's exact bytes."""
    return orjson.dumps(generate(model, side), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _bare(schema: Any, *, names: bool = False) -> Any:
    """``schema`` without titles and descriptions; ``names``: its keys are names of fields, not keywords."""
    if isinstance(schema, list):
        return [_bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _bare(value, names=key in {"properties", "$defs"} and not names)
        for key, value in schema.items()
        if names or key not in {"title", "description"}
    }
