"""What a change of the models would break, and for whom: ``python -m schemas.compat``.

Two parties can be hurt. *Readers*: a subscriber who validates by the published reader schema, when our new events no
longer fit it. *Stored events*: what lies in the logs for ever, when the changed model no longer reads it, or reads it
as something else. A change that hurts either needs a new version with an upcaster (schemas/upcasters.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas import catalogue, publish
from schemas.base import EventData
from schemas.shape import Node, from_json_schema
from schemas.upcasters import UPCASTERS

READERS, STORED, NOTE = "breaks readers of", "breaks stored events of", "note for"


@dataclass(frozen=True, slots=True)
class Finding:
    """One consequence of one change. ``whom``: :data:`READERS`, :data:`STORED` or :data:`NOTE`."""

    type: str
    whom: str
    what: str

    @property
    def breaking(self) -> bool:
        return self.whom != NOTE

    def __str__(self) -> str:
        return f"{self.whom} {self.type}: {self.what}"


Change = tuple[str, str]
"""Whom, and what."""


def compare(old: Node, new: Node, path: str = "data") -> Iterator[Change]:
    """What becomes of a value of shape ``old`` when its model has shape ``new``."""
    if (old.kind, old.format) != (new.kind, new.format):
        was, now = (f"{node.format or node.kind}" for node in (old, new))
        yield READERS, f"{path} was {was} and is {now}"
        yield STORED, f"{path} was {was} and is {now}"
        return
    yield from _presence(old, new, path)
    for kind in sorted(old.bounds.keys() | new.bounds.keys()):
        yield from _bound(kind, old.bounds.get(kind), new.bounds.get(kind), path)
    yield from _fields(old, new, path)
    if old.item is not None and new.item is not None:
        yield from compare(old.item, new.item, f"{path}[]")


def _presence(old: Node, new: Node, path: str) -> Iterator[Change]:
    if old.must and not new.must:
        yield READERS, f"{path} may now be absent"
    if new.must and not old.must:
        yield STORED, f"{path} is now required; events without it become unreadable"
    if new.nullable and not old.nullable and old.must == new.must:
        yield READERS, f"{path} may now be null"
    if old.nullable and not new.nullable and old.must == new.must:
        yield STORED, f"{path} may no longer be null"
    if not old.must and not new.must and old.default != new.default:
        yield (
            STORED,
            f"{path} had the default {old.default!r} and has {new.default!r}; events without it change meaning",
        )


def _bound(kind: str, old: object, new: object, path: str) -> Iterator[Change]:
    if old == new:
        return
    if kind == "enum":
        yield from _members(old, new, path)
    elif kind == "pattern":
        yield READERS, f"{path} has another pattern; a new value may not match {old}"
        yield STORED, f"{path} has another pattern; an old value may not match {new}"
    elif _wider(kind, old, new):
        yield READERS, f"{path}: {kind} was {old} and is {new}; a new value may lie outside what they accept"
    else:
        yield STORED, f"{path}: {kind} was {old} and is {new}; an old value may lie outside"


def _wider(kind: str, old: object, new: object) -> bool:
    """Whether the bound lets more through than it did."""
    if new is None or old is None:
        return new is None
    assert isinstance(old, int) and isinstance(new, int)
    return new < old if kind in {"ge", "min_length", "min_items"} else new > old


def _members(old: object, new: object, path: str) -> Iterator[Change]:
    before, after = (set(members) if isinstance(members, list) else None for members in (old, new))
    if before is not None and (after is None or after - before):
        yield READERS, f"{path} has new members: {', '.join(sorted((after or set()) - before)) or 'any'}"
    if after is not None and (before is None or before - after):
        yield STORED, f"{path} has lost members: {', '.join(sorted((before or set()) - after)) or 'all others'}"


def _fields(old: Node, new: Node, path: str) -> Iterator[Change]:
    gone, added = old.fields.keys() - new.fields.keys(), new.fields.keys() - old.fields.keys()
    for name in sorted(gone):
        twin = next((other for other in sorted(added) if _alike(old.fields[name], new.fields[other])), None)
        how = f"renamed to {twin}" if twin else "removed"
        if old.fields[name].must:
            yield READERS, f"{path}.{name} is {how}; they require it"
        yield STORED, f"{path}.{name} is {how}; the reader would drop what events say there"
    for name in sorted(added):
        if new.fields[name].must:
            yield STORED, f"{path}.{name} is new and required; events without it become unreadable"
        else:
            yield NOTE, f"{path}.{name} is new and optional; older readers ignore it"
    for name in sorted(old.fields.keys() & new.fields.keys()):
        yield from compare(old.fields[name], new.fields[name], f"{path}.{name}")


def _alike(left: Node, right: Node) -> bool:
    return (left.kind, left.format, left.bounds, left.fields) == (right.kind, right.format, right.bounds, right.fields)


def report(models: Mapping[str, type[EventData]], root: Path = publish.ROOT) -> list[Finding]:
    """All consequences of ``models`` for what is published below ``root``."""
    published = publish.published_types(root)
    findings = [
        Finding(name, NOTE, "new type; readers that do not know it ignore it")
        for name in models
        if name not in published
    ]
    for name in published:
        if (model := models.get(name)) is not None:
            findings += _of_type(name, model, root)
        elif name not in UPCASTERS:
            what = "the type is gone and has no upcaster; nobody can read it"
            findings.append(Finding(name, STORED, what))
    return findings


def _of_type(name: str, model: type[EventData], root: Path) -> Iterator[Finding]:
    old = from_json_schema(publish.load(name, "writer", root))
    new = from_json_schema(publish.generate(model, "writer"))
    return (Finding(name, whom, what) for whom, what in compare(old, new))


def unpublished(models: Mapping[str, type[EventData]], root: Path = publish.ROOT) -> list[Path]:
    """Schema files that are missing below ``root``."""
    paths = (publish.path_of(name, side, root) for name in models for side in publish.SIDES)
    return [path for path in paths if not path.exists()]


def write_missing(models: Mapping[str, type[EventData]], root: Path = publish.ROOT) -> list[Path]:
    """Publish what has no file yet. A file that exists is never touched: it is frozen."""
    missing = set(unpublished(models, root))
    for name, model in models.items():
        for side in publish.SIDES:
            path = publish.path_of(name, side, root)
            if path in missing:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(publish.rendered(model, side))
    return sorted(missing)


def accept(models: Mapping[str, type[EventData]], root: Path = publish.ROOT) -> list[Path]:
    """Publish anew the types whose changes break nobody, such as a new optional field."""
    broken = {finding.type for finding in report(models, root) if finding.breaking}
    written = []
    for name in sorted(models.keys() - broken):
        for side in publish.SIDES:
            path, content = publish.path_of(name, side, root), publish.rendered(models[name], side)
            if path.exists() and path.read_bytes() != content:
                path.write_bytes(content)
                written.append(path)
    return written


def main(arguments: list[str] | None = None) -> int:
    """0: nothing breaks; 1: something does, or a directory with nothing published was given."""
    parser = argparse.ArgumentParser(prog="python -m schemas.compat", description=__doc__)
    parser.add_argument("--against", type=Path, default=publish.ROOT, help="directory of published schemas")
    parser.add_argument("--write", action="store_true", help="publish the schemas that have no file yet")
    parser.add_argument("--accept", action="store_true", help="publish anew what changed and breaks nobody")
    chosen = parser.parse_args(arguments)
    models = catalogue.types()
    if chosen.write:
        for path in write_missing(models, chosen.against):
            print(f"wrote {path}")
    if chosen.accept:
        for path in accept(models, chosen.against):
            print(f"wrote {path} anew")
    if not publish.published_types(chosen.against):
        print(f"{chosen.against} holds no published schemas; publish them with --write", file=sys.stderr)
        return 1
    findings = report(models, chosen.against)
    for finding in findings:
        print(finding)
    broken = sum(finding.breaking for finding in findings)
    print(f"{len(models)} types compared with {chosen.against}: {broken or 'no'} breaking change{'s' * (broken != 1)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
