"""What billing folds: equal to a naive fold, in any order and in any batches; additive; and its COPY text holds."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.billing import projection
from services.chassis.projection.decode import Raw, decode_records
from tests.support.billing_world import History, act, fold, tariff
from tests.support.naive import billing as naive
from tests.unit.test_billing_rating import histories


def rows(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return sorted(frame.select(COLUMNS).iter_rows(), key=str)


COLUMNS = [
    "position", "sign", "act_no", "day", "quantity", "minutes", "sequence", "visit_id", "event_id", "provider", "point",
    "authority", "service", "task", "channel", "performed_by",
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(histories())
def test_acts_equal_a_naive_fold(history: History) -> None:
    diary, _ = history.json()
    assert rows(history.deltas()["acts"]) == sorted(naive.signed_acts(diary), key=str)


@settings(max_examples=20, deadline=None)
@given(histories(), st.integers(1, 5), st.integers())
def test_batches_and_their_order_do_not_matter(history: History, size: int, seed: int) -> None:
    records = [Raw(number, 0, raw) for number, raw in enumerate(history.diary, start=1)]
    batches = [records[start : start + size] for start in range(0, len(records), size)]
    random.Random(seed).shuffle(batches)
    frames = [
        projection.fold(projection.DIARY.topic.name, decode_records(projection.DIARY, batch).frame.drop("row"))["acts"]
        for batch in batches
    ]
    assert rows(pl.concat(frames)) == rows(history.deltas()["acts"])


def test_a_correction_names_the_authority_that_lost_the_act_and_the_one_that_got_it() -> None:
    history = History()
    history.visit("a", "2026-10-05", act())
    history.correct("a", "2026-10-05", act("vero", "verokortti"))
    found = history.deltas()["acts"].sort("position", "sign").select("position", "sign", "authority", "sequence")
    assert found.rows() == [(1, 1, "kela", 1), (2, -1, "kela", 2), (2, 1, "vero", 1)]


def test_an_authority_whose_name_ends_as_anothers_gets_its_own_place() -> None:
    history = History()
    history.visit("zero", "2026-10-05", act("pohjois-vero", "verokortti"))
    history.visit("a", "2026-10-05", act("vero", "verokortti"), act("pohjois-vero", "verokortti"))
    found = history.deltas()["acts"].filter(pl.col("position") == 2)
    assert dict(found.select("authority", "sequence").iter_rows()) == {"vero": 1, "pohjois-vero": 2}


def test_own_service_has_no_place_in_any_feed() -> None:
    history = History()
    history.visit("a", "2026-10-05", act("kunta-732", "yleisneuvonta"))
    assert history.deltas()["acts"]["sequence"].to_list() == [None]


def test_terms_survive_the_fold_whole() -> None:
    history = History()
    history.point()
    history.succeed("te-toimisto", "te-alue-19", "2025-01-01", ("732", "005"))
    prices = [tariff(price="12.5000", channel="phone", payer_id="dvv"), tariff("kk", "99.90", "fixed_monthly")]
    history.sign("s", prices, commissioners=("kela", "vero"), until="2027-12-31")
    history.terminate("s", "2026-12-31")
    book = history.book()
    (version,) = book.versions
    assert version.commissioner_ids == ("kela", "vero")
    assert [(p.item, p.price, p.channel, p.payer_id) for p in version.prices] == [
        ("neuvonta", 125000, "phone", "dvv"),
        ("kk", 999000, None, None),
    ]
    assert (version.vat_rate, version.exempt_reason) == ("", "viranomaistoiminta")
    assert book.last_days == {version.agreement_id: book.terminations[0].last_day}
    assert book.successions[0].municipality_codes == {"732", "005"}
    assert book.municipality == {"piste-732-1": "732"}


@pytest.mark.parametrize("broken", [b'"quantity":1.5', b'"quantity":0', b'"quantity":null'])
def test_a_record_that_cannot_be_read_is_poison_and_not_a_number(broken: bytes) -> None:
    history = History()
    history.visit("a", "2026-10-05", act())
    raw = history.diary[0].replace(b'"quantity":1', broken)
    assert raw != history.diary[0]
    assert decode_records(projection.DIARY, [Raw(1, 0, raw)]).poison


def test_billing_halts_at_poison() -> None:
    assert projection.spec().on_poison == "halt"


def test_no_column_of_a_key_is_ever_empty() -> None:
    """COPY would write an empty string as null."""
    history = History()
    history.point()
    history.succeed("te-toimisto", "te-alue-19", "2025-01-01")
    history.sign("s", [tariff()])
    history.visit("a", "2026-10-05", act())
    tables = fold(history.diary, history.agreements)
    for frame in tables.values():
        for name, values in frame.select(pl.col(pl.String)).to_dict().items():
            assert not (values == "").any(), name
