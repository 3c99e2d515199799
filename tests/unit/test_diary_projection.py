"""The diary's register: the fold equals a naive one, twice and in any order."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence

import polars as pl
import pytest

from schemas import topics
from schemas.agreements import ServicePointChanged
from schemas.base import EventData
from services.diary import projection
from tests.support import diary
from tests.support.naive.diary import register_rows


def events() -> list[EventData]:
    first = diary.small_register()
    agreement = diary.signed(diary.KELA_AGREEMENT, "kela", diary.terms("kela:asumistuki"), dt.date(2020, 1, 1))
    moved = diary.point(diary.SALLA, diary.MUNICIPALITY, "732", "Uusi piste")
    changed = ServicePointChanged(service_point_id=diary.SALLA, point=moved.point, effective_from=dt.date(2025, 1, 1))
    return [*first, changed, diary.terminated(agreement, dt.date(2027, 1, 31))]


def folded(frames: Sequence[pl.DataFrame]) -> dict[str, dict[int, dict[str, object]]]:
    """What the tables hold after these slices, each row under its position, the first one staying."""
    rows: dict[str, dict[int, dict[str, object]]] = {}
    for frame in frames:
        for table, delta in projection.fold(topics.AGREEMENTS.name, frame).items():
            for row in delta.to_dicts():
                rows.setdefault(table, {}).setdefault(row.pop("position"), row)
    return rows


def test_the_fold_is_the_naive_one() -> None:
    every = events()
    naive = register_rows(record.value for record in diary.raw(every))
    assert set(naive) == set(projection.TABLES)
    assert folded([diary.frame(every)]) == naive


@pytest.mark.parametrize("seed", range(5))
def test_twice_in_slices_and_in_any_order_it_ends_the_same(seed: int) -> None:
    every = events()
    whole = folded([diary.frame(every)])
    frame = diary.frame(every)
    slices = [frame.slice(start, 4) for start in range(0, len(frame), 4)] * 2
    random.Random(seed).shuffle(slices)
    assert folded(slices) == whole


def test_every_table_has_the_columns_that_the_fold_makes() -> None:
    tables = projection.metadata("register_v1").tables
    for table, delta in projection.fold(topics.AGREEMENTS.name, diary.frame(events())).items():
        assert set(delta.columns) == set(tables[f"register_v1.{table}"].columns.keys())
