"""Each service says in its first lines what it owns, emits and consumes; here it is held to its word."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import schemas.catalogue  # noqa: F401  # Makes the registry complete.
from schemas.registry import types
from services.chassis.settings import Settings
from tests.architecture.sources import ROOT, files, tree

SERVICES = ("diary", "agreements", "billing", "statistics")
HEADINGS = ("Owns", "Emits", "Consumes")
every_service = pytest.mark.parametrize("service", SERVICES)
EVENTS = {name.split(".")[-2]: model for name, model in types().items() if ".authority." not in name}
"""Short name → model of the services' own events."""


def said(service: str) -> dict[str, str]:
    """The parts of the docstring by their heading."""
    text = (import_module(f"services.{service}").__doc__ or "").split("\n\n")
    whole = "\n".join(text)
    found = re.split(rf"^({'|'.join(HEADINGS)}):", whole, flags=re.M)
    return dict(zip(found[1::2], found[2::2], strict=True))


def named(text: str) -> set[str]:
    """Events that a text names."""
    return {word for word in re.findall(r"[A-Z][A-Za-z]+", text) if word in EVENTS}


def declared(service: str) -> Any:
    return importlib.import_module(f"services.{service}.app").SERVICE


def made(service: str) -> set[str]:
    """Events that the service's code constructs: calls of an event model's name, in its domain and handlers."""
    found = set()
    for path in files(f"services/{service}"):
        if "migrations" in path.parts or path.name in {"reproduce.py", "recompute.py", "reading.py", "verify.py"}:
            continue  # They read what was issued before and append nothing.
        found |= _constructed(path)
    area = f".{service}."
    return {name for name in found if area in EVENTS[name].TYPE}


def _constructed(path: Path) -> set[str]:
    """Calls, and classes handed on to be called."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            names.add(name)
            names |= {arg.id for arg in node.args if isinstance(arg, ast.Name)}
        if isinstance(node, ast.IfExp):
            chosen = [each for branch in (node.body, node.orelse) for each in ast.walk(branch)]
            names |= {getattr(each, "attr", getattr(each, "id", "")) for each in chosen}
    return names & EVENTS.keys()


def consumed(service: str) -> tuple[set[str], set[str]]:
    """Topics and events that its projections fold."""
    sources = [source for spec in declared(service).projections for source in spec.sources]
    return {source.topic.name for source in sources}, {model.__name__ for source in sources for model in source.types}


@every_service
def test_it_says_owns_emits_and_consumes(service: str) -> None:
    parts = said(service)
    assert tuple(parts) == HEADINGS
    assert all(body.strip() for body in parts.values())


@every_service
def test_it_emits_what_it_says(service: str) -> None:
    assert named(said(service)["Emits"]) == made(service)


@every_service
def test_it_consumes_what_it_says(service: str) -> None:
    topics, events = consumed(service)
    text = said(service)["Consumes"]
    told = set(re.findall(r"apudiaari\.[a-z]+\.events", text))
    if told:
        assert told == topics
    else:
        assert named(text) == events
    assert bool(topics) != text.strip().startswith("nothing")


@every_service
def test_only_who_emits_keeps_a_log(service: str) -> None:
    spec = declared(service).log
    assert (spec is not None) == bool(made(service))
    if spec is not None:
        settings = Settings(
            database_url=SecretStr("postgresql://nobody@localhost/none"), feed_secret=SecretStr("5e" * 32)
        )
        log = spec(settings)
        assert (log.service, log.topic.name) == (service, f"apudiaari.{service}.events")


@every_service
def test_it_has_the_anatomy_of_all(service: str) -> None:
    folder = ROOT / "services" / service
    wanted = ["__init__.py", "__main__.py", "app.py", "api.py", "pages.py", "consumers.py", "projection.py", "store.py"]
    wanted += ["migrations", "templates", "locales"] + (["handlers.py"] if made(service) else [])
    assert missing(folder, wanted) == []
    assert (folder / "domain.py").exists() or (folder / "domain").is_dir()


def missing(folder: Path, wanted: Iterable[str]) -> list[str]:
    return [name for name in wanted if not (folder / name).exists()]
