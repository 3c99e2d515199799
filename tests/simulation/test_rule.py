"""The rule of relay and projector alone, over many seeds, and the proof that the judge can fail (design.md §6)."""

from __future__ import annotations

import os

import pytest

from tests.simulation.rule_world import World

SEEDS = 1_500
FIRST = int(os.environ.get("SEED") or 0)


def wrong_ends(**naive: bool) -> list[tuple[int, str]]:
    """Seeds that end wrong, with what was wrong."""
    ends = ((seed, World(seed, **naive).run()) for seed in range(FIRST, FIRST + SEEDS))
    return [(seed, wrong) for seed, wrong in ends if wrong]


def test_no_seed_ends_wrong_with_the_rule_on_both_sides() -> None:
    assert wrong_ends() == []


@pytest.mark.parametrize("naive", ["relay_trusts_acks", "projector_trusts_order", "projector_stops_ahead"])
def test_the_naive_forms_lose_or_repeat_so_the_judge_can_fail(naive: str) -> None:
    assert len(wrong_ends(**{naive: True})) > 20
