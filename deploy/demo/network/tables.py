"""Reads the tables beside this file, and makes the seeded generators: with these every part of the network begins."""

from __future__ import annotations

import csv
import random
from importlib.resources import files


def rows(name: str) -> list[dict[str, str]]:
    """The rows of ``<name>.csv`` in this package."""
    text = files(__package__).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def seeded(*parts: object) -> random.Random:
    """A generator of its own for each purpose, so that a change in one part leaves the others as they were."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 – nothing here is secret
