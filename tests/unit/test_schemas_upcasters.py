"""Old events are read for ever, one by one and a slice at a time, with the same result."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import make_samples, upcasters
from schemas.diary import VisitRecorded
from schemas.folded import ENVELOPES, decode, prune
from schemas.twins import TWINS, old_types, read_slice
from schemas.upcasters import UPCASTERS, UpcastError, read, upcast

OLD = "fi.yhteispalvelu.diary.VisitRecorded.v0"
DIARY = ENVELOPES["diary"]
OLD_RAW = [path.read_bytes() for path in sorted((make_samples.ROOT / "diary.VisitRecorded" / "0").glob("*.json"))]
NEW_RAW = [path.read_bytes() for path in sorted(make_samples.ROOT.glob("diary.*/1/*.json"))]


def made_new(raw: bytes) -> bytes:
    """The event as today's writer would have made it."""
    event = orjson.loads(raw)
    event["type"], event["data"] = upcast(event["type"], event["data"])
    return orjson.dumps(event)


def test_the_pilot_format_becomes_the_newest() -> None:
    event = read(OLD_RAW[0])
    assert event.type == VisitRecorded.TYPE
    assert event.data is not None
    visit = event.data.model_dump()["visit"]
    assert (visit["place"], visit["acts"][0]["minutes"], visit["acts"][1]["minutes"]) == ("point", 0, None)


def test_an_upcaster_changes_nothing_in_what_it_is_given() -> None:
    data = orjson.loads(OLD_RAW[0])["data"]
    before = copy.deepcopy(data)
    upcast(OLD, data)
    assert data == before


def test_a_new_event_is_handed_back_as_it_came() -> None:
    data = orjson.loads(NEW_RAW[0])["data"]
    assert upcast(VisitRecorded.TYPE, data)[1] is data


def test_an_unknown_type_is_read_without_data() -> None:
    event = orjson.loads(NEW_RAW[0]) | {"type": "fi.yhteispalvelu.diary.Unheard.v1"}
    assert read(orjson.dumps(event)).data is None


def test_an_old_event_that_breaks_its_schema_is_refused() -> None:
    event = orjson.loads(OLD_RAW[0])
    event["data"]["visit"]["acts"][0]["minutes"] = "twelve"
    with pytest.raises(UpcastError):
        read(orjson.dumps(event))


def test_every_upcaster_leads_to_a_known_type_and_has_a_twin() -> None:
    assert set(TWINS) == set(UPCASTERS) == set(old_types("diary"))
    for old in UPCASTERS:
        name = old
        while name in UPCASTERS:
            name = UPCASTERS[name][0]
        assert upcasters.catalogue.model_of(name) is not None


def test_the_twin_equals_the_upcaster_on_the_samples_in_any_company() -> None:
    mixed = [NEW_RAW[0], OLD_RAW[0], *NEW_RAW[1:], OLD_RAW[1]]
    frame, doubtful = read_slice(mixed, "diary")
    assert frame.equals(decode([made_new(raw) for raw in mixed], DIARY))
    assert not doubtful.any()


def test_a_pruned_schema_serves_old_events_too() -> None:
    schema = prune(DIARY, ["type", "position", "data.visit_id", "data.visit.acts[].minutes"])
    frame, _ = read_slice([OLD_RAW[1], NEW_RAW[0]], "diary", schema)
    assert frame.schema == pl.Schema({part.name: part.dtype for part in schema.fields})
    assert frame["data"].struct.field("visit").struct.field("acts").explode().struct.field("minutes")[0] == 12


def test_a_slice_without_old_events_takes_the_fast_path() -> None:
    frame, doubtful = read_slice(NEW_RAW, "diary")
    assert frame.equals(decode(NEW_RAW, DIARY))
    assert not doubtful.any()


@pytest.mark.parametrize("minutes", [12, "twelve", "-1", "012", "12.5", True])
def test_a_pilot_event_with_wrong_minutes_is_a_suspect(minutes: Any) -> None:
    event = orjson.loads(OLD_RAW[0])
    event["data"]["visit"]["acts"][0]["minutes"] = minutes
    _, doubtful = read_slice([NEW_RAW[0], orjson.dumps(event), OLD_RAW[1]], "diary")
    assert doubtful.to_list() == [False, True, False]


acts = st.lists(
    st.fixed_dictionaries({"quantity": st.integers(1, 999)}, optional={"minutes": st.integers(0, 1440).map(str)}),
    min_size=1,
    max_size=5,
)
visits = st.fixed_dictionaries(
    {"customers": st.integers(0, 500), "hour": st.integers(0, 23), "acts": acts},
    optional={"language_asked": st.sampled_from(["fi", "sv", "se"])},
)


@given(st.lists(visits, min_size=1, max_size=8))
def test_the_twin_equals_the_upcaster_on_generated_events(generated: list[dict[str, Any]]) -> None:
    raw = []
    for visit in generated:
        event = orjson.loads(OLD_RAW[0])
        act = {k: v for k, v in event["data"]["visit"]["acts"][0].items() if k != "minutes"}
        event["data"]["visit"] |= visit | {
            "acts": [act | facts | {"act_no": number} for number, facts in enumerate(visit["acts"], 1)]
        }
        raw.append(orjson.dumps(event))
    frame, doubtful = read_slice(raw, "diary")
    assert frame.equals(decode([made_new(one) for one in raw], DIARY))
    assert not doubtful.any()
    for one in raw:
        read(one)
