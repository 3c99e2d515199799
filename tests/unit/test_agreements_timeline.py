"""Which version rules a day: the vector rule against the plainest one can write."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

import pytest

from services.agreements.domain.timeline import ruling, spans, superseded_by

START = dt.date(2024, 1, 1)


@dataclass(frozen=True)
class Version:
    version: int
    effective_from: dt.date


def _day(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


@pytest.mark.parametrize("seed", range(60))
def test_spans_say_for_each_day_what_the_plain_rule_says(seed: int) -> None:
    rng = random.Random(seed)
    versions = [Version(n + 1, _day(rng.randint(0, 40))) for n in range(rng.randint(1, 7))]
    last = rng.choice([None, _day(rng.randint(0, 50))])
    found = spans(versions, last)
    for day in map(_day, range(-3, 55)):
        plain = None
        for version in versions:  # The newest that has taken effect, in the order they became known.
            if version.effective_from <= day and (last is None or day <= last):
                plain = version
        within = [each.version for each in found if each.first <= day and (each.last is None or day <= each.last)]
        assert within == ([plain] if plain else []), (seed, day)
        assert ruling(versions, day, last) is plain


def test_a_backdated_version_replaces_what_was_agreed_for_later() -> None:
    first, later, backdated = Version(1, _day(0)), Version(2, _day(30)), Version(3, _day(10))
    assert superseded_by([first, later], _day(10)) == [2]
    assert superseded_by([first, later], _day(30)) == [2]
    assert superseded_by([first, later], _day(31)) == []
    assert [(each.version.version, each.first, each.last) for each in spans([first, later, backdated])] == [
        (1, _day(0), _day(9)),
        (3, _day(10), None),
    ]
