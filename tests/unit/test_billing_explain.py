"""A line is explained the same wherever in the log its acts stand: the demonstration found it was not, late in a long
log.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from services.billing.domain.difference import line_of
from services.billing.domain.explain import EVIDENCE, explain
from services.billing.domain.rating import rate
from services.billing.domain.terms import coverage
from tests.support.billing_world import History, act, fold, tariff


@pytest.mark.parametrize("shift", [0, 20_000, 50_000_000])
def test_a_line_is_explained_the_same_late_in_a_long_log(shift: int) -> None:
    history = History()
    history.point()
    history.sign("s", [tariff(price="12.50")])
    history.visit("a", "2026-10-05", act(quantity=2))
    history.visit("b", "2026-10-06", act())
    history.correct("b", "2026-10-06", act(quantity=3))
    terms = coverage(history.book(), ["2026-10"])
    (row,) = rate(history.acts(), terms).lines.to_dicts()
    evidence = fold(history.diary, [])["acts"].with_columns(
        pl.col("day").str.to_date(), position=pl.col("position") + shift
    )
    acts = evidence.select(EVIDENCE.keys()).cast(cast(Any, EVIDENCE))
    found = explain(line_of(row, 1), cast(Any, SimpleNamespace(payer_id="kela")), acts, terms)
    assert (found.acts.height, found.quantity, found.amount) == (2, 5, 6250)
