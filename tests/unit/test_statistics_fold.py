"""The vectorised fold against the naive one, event by event; what corrections, repeats and order do to the cells."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import polars as pl
import pytest

from schemas import topics
from services.chassis.projection.decode import Raw, decode_records
from services.statistics.cubes import CUBES
from services.statistics.projection import SPEC, fold
from tests.support.naive import statistics as naive
from tests.support.statistics_events import Log, Logs, make_logs

Cells = dict[str, dict[tuple[object, ...], dict[str, int]]]


@cache
def logs() -> Logs:
    return make_logs(3_000)


def folded(topic: str, raw: Sequence[bytes], size: int = 700) -> list[dict[str, pl.DataFrame]]:
    """The deltas of batches of ``size``, decoded as the engine does it."""
    source = SPEC.source(topic)
    batches = []
    for start in range(0, len(raw), size):
        part = raw[start : start + size]
        records = [Raw(int(position_of(value)), 0, value) for value in part]
        decoded = decode_records(source, records)
        assert not decoded.poison
        batches.append(fold(topic, decoded.frame.drop("row")))
    return batches


def position_of(raw: bytes) -> str:
    return raw.split(b'"position":"')[1].split(b'"')[0].decode()


def added(batches: Iterable[dict[str, pl.DataFrame]]) -> Cells:
    """What adding the deltas up leaves, as the naive fold tells it."""
    cells: Cells = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for deltas in batches:
        for name, frame in deltas.items():
            if name not in CUBES:
                continue
            key, counts = CUBES[name]
            for row in frame.iter_rows(named=True):
                where = tuple(row[column].isoformat() if column in DATES else row[column] for column in key)
                for count in counts:
                    cells[name][where][count] += row[count]
    return {name: kept for name, each in cells.items() if (kept := naive.without_zeros(each))}


DATES = ("day", "month")


def test_every_cube_equals_the_naive_fold() -> None:
    made = added(batch for log in logs() for batch in folded(log.topic.name, log.raw))
    expected = naive.fold(logs().raw())
    assert set(made) == set(CUBES)
    for name in CUBES:
        assert made[name] == expected[name], name


@pytest.mark.parametrize("seed", range(4))
def test_any_order_and_any_batches_give_the_same(seed: int) -> None:
    rng = random.Random(seed)
    raw = list(logs().diary.raw)
    rng.shuffle(raw)
    batches = folded(topics.DIARY.name, raw, size=rng.randint(90, 999))
    assert added(batches) == naive.fold(raw)


def visit(day: str, *acts: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "occurred_at": f"{day}T10:15:00+02:00", "service_day": day, "hour": 10, "customers": 2, "language": "fi",
        "place": "point", "acts": list(acts), **others,
    }  # fmt: skip


def act(authority: str = "kela", number: int = 1, **others: Any) -> dict[str, Any]:
    return {
        "act_no": number, "authority_id": authority, "service": "asumistuki", "task": "advise", "channel": "counter",
        "quantity": 1, "performed_by": "adviser", "coverage": {"status": "in_force", "agreements_position": 3},
        **others,
    }  # fmt: skip


def cells_of(*events: tuple[str, dict[str, Any]]) -> Cells:
    log = Log(topics.DIARY)
    head = {
        "visit_id": "0b5c6f0e-7f0f-5d5e-9d55-53594e544831", "service_point_id": "piste-732-1",
        "provider_id": "kunta-732", "recorder": "neuvoja-1",
    }  # fmt: skip
    for kind, body in events:
        change = {} if kind == "VisitRecorded" else {"replaces": 1, "reason": "mistake"}
        log.add(kind, "piste-732-1", {**head, **change, **body})
    made = added(folded(topics.DIARY.name, log.raw))
    assert made == naive.fold(log.raw)
    return made


def total(cells: Cells, cube: str, count: str) -> int:
    return sum(counts.get(count, 0) for counts in cells.get(cube, {}).values())


def test_a_visit_for_two_authorities_is_one_visit_and_two_acts() -> None:
    cells = cells_of(("VisitRecorded", {"visit": visit("2026-10-05", act("kela"), act("vero", 2))}))
    assert total(cells, "visits_day", "visits") == 1
    assert total(cells, "visits_day", "customers") == 2
    assert total(cells, "acts_month", "acts") == 2
    assert {key[2]: counts["visits"] for key, counts in cells["acts_day"].items()} == {"kela": 1, "vero": 1}


def test_two_acts_for_one_authority_by_two_channels_are_one_visit_of_that_authority() -> None:
    facts = visit("2026-10-05", act("kela"), act("kela", 2, channel="remote"))
    cells = cells_of(("VisitRecorded", {"visit": facts}))
    assert total(cells, "acts_day", "acts") == 2
    assert total(cells, "acts_day", "visits") == 1


def test_a_correction_moves_the_act_within_the_month_of_service() -> None:
    before, after = visit("2026-03-31", act("kela")), visit("2026-03-31", act("vero", quantity=3))
    cells = cells_of(("VisitRecorded", {"visit": before}), ("VisitCorrected", {"before": before, "after": after}))
    assert [(key[0], key[2], counts["quantity"]) for key, counts in cells["acts_month"].items()] == [
        ("2026-03-01", "vero", 3)
    ]


def test_a_void_leaves_nothing_behind() -> None:
    before = visit("2026-03-31", act("kela", minutes=12), late={"reason": "forgotten", "days": 4})
    assert cells_of(("VisitRecorded", {"visit": before}), ("VisitVoided", {"before": before})) == {}


def test_minutes_that_were_not_recorded_are_not_zero_minutes() -> None:
    facts = visit("2026-10-05", act(minutes=0), act("kela", 2), act("kela", 3, minutes=7))
    cells = cells_of(("VisitRecorded", {"visit": facts}))
    assert total(cells, "acts_month", "minutes") == 7
    assert total(cells, "acts_month", "timed") == 2
    assert total(cells, "acts_month", "acts") == 3


def test_late_entries_and_the_language_asked_for_are_told_apart() -> None:
    late = visit("2026-10-05", act(), late={"reason": "outage", "days": 2}, language_asked="se")
    cells = cells_of(("VisitRecorded", {"visit": visit("2026-10-05", act())}), ("VisitRecorded", {"visit": late}))
    assert {(key[4], key[5]) for key in cells["visits_day"]} == {("not_recorded", False), ("se", True)}


def test_the_register_gives_names_and_places_by_date() -> None:
    deltas = folded(topics.AGREEMENTS.name, logs().agreements.raw, size=10_000)[0]
    points = deltas["points"].filter(pl.col("point") == "piste-732-1").row(0, named=True)
    assert (points["provider"], points["municipality"], points["region"]) == ("kunta-732", "732", "19")
    names = deltas["party_names"].filter(pl.col("party") == "migri")
    assert names["effective_from"].to_list() == ["2007-04-01", "2008-01-01"]
    assert deltas["parties"].filter(pl.col("party") == "avi")["family"].item() == "lvv"
