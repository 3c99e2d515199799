"""The law of :mod:`schemas.suspects`: what is not a suspect, the reader reads, and reads the same values."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import catalogue, make_samples
from schemas.folded import ENVELOPES, checks, decode, folded_types, polars_schema, prune, required_paths, union
from schemas.shape import Node, shape, walk
from schemas.suspects import FEW, _good, _rule, _wrong, suspects
from schemas.upcasters import UpcastError, read

AREAS = ("diary", "agreements", "billing", "authority.diary", "authority.billing")
FOLDED = ("diary", "agreements", "billing")


def samples_of(area: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(make_samples.ROOT.glob(f"{area}.*/1/*.json"))]


SAMPLES = [(area, raw) for area in FOLDED for raw in samples_of(area)]


def doubt(raw: list[bytes], area: str) -> list[bool]:
    return suspects(raw, decode(raw, ENVELOPES[area]), area).to_list()


CAUTION = {
    "diary": set(),
    # An address such as "Tie 1, 98900 Salla"; the written item "tasks", which has the name of a list.
    "agreements": {
        "ServicePointRegistered",
        "ServicePointChanged",
        "AgreementProposed",
        "AgreementSigned",
        "AgreementAmended",
    },
    "billing": {"InvoiceIssued"},  # A VAT rate is a plain string that looks like a number.
}
"""Types of which good events may be suspects; each is rare."""


@pytest.mark.parametrize("area", FOLDED)
def test_good_events_are_suspects_only_where_it_costs_little(area: str) -> None:
    raw = samples_of(area)
    found = {orjson.loads(one)["type"] for one, doubtful in zip(raw, doubt(raw, area), strict=True) if doubtful}
    assert {name.split(".")[-2] for name in found} == CAUTION[area]


def plain(value: Any, node: Node) -> Any:
    """What the frame must show of a reader's value: JSON without maps."""
    if value is None:
        return None
    if node.kind == "object":
        return {name: plain(value.get(name), child) for name, child in node.fields.items() if child.kind != "map"}
    if node.kind == "array":
        assert node.item is not None
        return [plain(one, node.item) for one in value]
    return value


def only(node: Node, value: dict[str, Any]) -> Any:
    """``value`` of a frame of many types, with the fields of ``node`` alone."""
    return plain(value, node)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*path, key) for key, _ in below] + [place for key, child in below for place in places(child, (*path, key))]


WRONG = [
    None, True, False, 0, 1, 5, -1, 1.5, 1e3, 7.0, 10**17, 10**25, "", "x", "5", "1.5", "true", "zzz" * 20,
    "2026-02-30", "2026-13-01", "0000-01-01", "2026-11-24", "2026-11-24T10:15:00", "2026-11-24T24:00:00Z",
    "2026-11-24 10:15:00Z",
    "8C1A6A0E-0000-5000-8000-000000000000", "12.30", 12.30, "Ä", "a b", "a\n", " 7", [], {}, [1], ["a", None], [None],
    "732", 732,
]  # fmt: skip
DROP = object()


def changed(raw: bytes, place: tuple[Any, ...], to: Any) -> bytes:
    event = orjson.loads(raw)
    target = event
    for key in place[:-1]:
        target = target[key]
    if to is DROP:
        del target[place[-1]]
    else:
        target[place[-1]] = to
    try:
        return orjson.dumps(event)
    except TypeError:  # beyond 64 bits
        import json

        return json.dumps(event, separators=(",", ":")).encode()


def holds(raw: bytes, area: str, company: list[bytes]) -> None:
    """The law for one record in a slice."""
    rows = [*company, raw]
    try:
        frame = decode(rows, ENVELOPES[area])
    except pl.exceptions.PolarsError:
        return
    doubtful = suspects(rows, frame, area).to_list()
    assert doubtful[:-1] == [False] * len(company)
    if doubtful[-1]:
        return
    event = read(raw)
    row = frame.row(-1, named=True)
    assert (row["id"], int(row["position"])) == (str(event.attributes.id), event.attributes.position)
    if event.data is not None:
        node = shape(folded_types(area)[event.type])
        assert only(node, row["data"]) == plain(event.data.model_dump(mode="json"), node)


COMPANY = {area: [raw for raw in samples_of(area) if doubt([raw], area) == [False]][:2] for area in FOLDED}
"""Good neighbours in the slice."""


VISIT = next(raw for _, raw in SAMPLES if b"diary.VisitRecorded.v1" in raw and b'"customers":1' in raw)


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    area, raw = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 2))):
        spots = [place for place in places(orjson.loads(raw)) if "items" not in place]
        raw = changed(raw, draw(st.sampled_from(spots)), draw(st.sampled_from([*WRONG, DROP])))
    return area, raw


@settings(max_examples=300, deadline=None)
@given(mutations())
@example(("diary", VISIT.replace(b'"customers":1', b'"customers":1.5')))
@example(("diary", VISIT.replace(b'"customers":1', b'"customers" :1.5')))
@example(("diary", VISIT.replace(b'"task":"advise"', b'"task" :5')))
def test_what_is_no_suspect_is_read_the_same_by_the_reader(mutation: tuple[str, bytes]) -> None:
    area, raw = mutation
    holds(raw, area, COMPANY[area])


RULES = {_rule(node) for model in catalogue.types().values() for _, node in walk(shape(model)) if node.kind == "string"}


@given(st.lists(st.one_of(st.sampled_from([one for one in WRONG if isinstance(one, str)]), st.text(max_size=50))))
def test_one_value_and_a_column_are_judged_alike(values: list[str]) -> None:
    column = pl.Series(values, dtype=pl.String)
    for rule in RULES:
        wrong = pl.select(_wrong(rule, pl.lit(column))).to_series().to_list() if values else []
        assert [not _good(rule, value) for value in values] == wrong, rule


def test_a_wrong_value_among_many_different_ones_is_found() -> None:
    rows = [orjson.dumps(first_visit() | {"subject": f"visit-{n}", "position": str(n)}) for n in range(FEW + 50)]
    rows[70] = orjson.dumps(first_visit() | {"position": "7.5"})
    assert [row for row, doubtful in enumerate(doubt(rows, "diary")) if doubtful] == [70]


def first_visit() -> dict[str, Any]:
    return copy.deepcopy(
        next(orjson.loads(raw) for _, raw in SAMPLES if b"diary.VisitRecorded.v1" in raw and b'"minutes":20' in raw)
    )


SILENT: dict[str, tuple[str, Any]] = {
    "a fraction becomes a whole number": ("quantity", 1.5),
    "a number becomes a string": ("task", 5),
    "a truth value becomes a string": ("channel", True),
    "a missing value becomes null": ("authority_id", DROP),
    "a huge number becomes null": ("minutes", 10**20),
    "a number below its range": ("quantity", 0),
    "a number above its range": ("act_no", 51),
    "a code that is none": ("service", "Asumis tuki"),
}


@pytest.mark.parametrize("case", SILENT)
def test_each_silent_mistake_of_the_decoder_is_a_suspect(case: str) -> None:
    name, value = SILENT[case]
    good = orjson.dumps(first_visit())
    raw = changed(good, ("data", "visit", "acts", 0, name), value)
    assert doubt([good, raw, good], "diary") == [False, True, False]
    with pytest.raises((ValueError, UpcastError)):
        read(raw)


def test_a_lone_value_that_becomes_a_list_is_a_suspect() -> None:
    event = orjson.loads(next(raw for _, raw in SAMPLES if b"PartySucceeded" in raw))
    event["data"]["municipality_codes"] = ["732", "733"]
    assert doubt([orjson.dumps(event)], "agreements") == [False]
    event["data"]["municipality_codes"] = "732"
    assert doubt([orjson.dumps(event)], "agreements") == [True]


def test_an_impossible_day_is_a_suspect() -> None:
    event = first_visit()
    event["data"]["visit"]["service_day"] = "2026-02-30"
    assert doubt([orjson.dumps(event)], "diary") == [True]


def test_a_row_of_an_unknown_type_is_judged_by_its_envelope() -> None:
    event = first_visit() | {"type": "fi.yhteispalvelu.diary.Unheard.v1", "data": {"visit": {"hour": 99}}}
    assert doubt([orjson.dumps(event), orjson.dumps(event | {"position": "x"})], "diary") == [False, True]


def test_bytes_that_are_no_text_are_a_suspect() -> None:
    raw = orjson.dumps(first_visit())
    assert doubt([raw, raw.replace(b"asumistuki", b"asumistuk\xff")], "diary") == [False, True]


def test_two_records_in_one_are_not_taken_for_two_rows() -> None:
    raw = orjson.dumps(first_visit())
    with pytest.raises(pl.exceptions.PolarsError):
        decode([raw + b"," + raw, raw], ENVELOPES["diary"])


def test_the_schema_is_made_from_the_model() -> None:
    model = folded_types("diary")["fi.yhteispalvelu.diary.DocumentForwarded.v1"]
    assert polars_schema(model) == pl.Struct(
        dict.fromkeys(("document_id", "service_point_id", "provider_id", "authority_id", "recorder"), pl.String)
        | {"replaces": pl.Int64, "forwarded_at": pl.String, "means": pl.String}
    )


def test_required_paths_and_checks_speak_of_columns_that_exist() -> None:
    model = folded_types("diary")["fi.yhteispalvelu.diary.VisitRecorded.v1"]
    assert {"visit_id", "visit.acts[].coverage.status", "visit.late.days"} <= set(required_paths(model))
    assert "visit.acts[].minutes" not in required_paths(model)
    assert {("visit.hour", "le", 23), ("visit.service_day", "format", "date"), ("visit.acts", "min_items", 1)} <= set(
        checks(model)
    )
    for area in FOLDED:
        for each in folded_types(area).values():
            schema = polars_schema(each)
            for path in required_paths(each):
                prune(schema, [path.removesuffix("[]")])


def test_pruning_keeps_what_is_asked_for_and_refuses_what_is_not_there() -> None:
    schema = ENVELOPES["diary"]
    kept = prune(schema, ["position", "data.visit.acts[].task", "data.visit.hour"])
    visit = pl.Struct({"hour": pl.Int64, "acts": pl.List(pl.Struct({"task": pl.String}))})
    assert kept == pl.Struct({"position": pl.String, "data": pl.Struct({"visit": visit})})
    with pytest.raises(KeyError, match="nothing"):
        prune(schema, ["data.nothing"])


def test_a_name_with_two_types_in_one_topic_is_refused() -> None:
    with pytest.raises(TypeError, match="field a"):
        union([pl.Struct({"a": pl.Int64()}), pl.Struct({"a": pl.String()})])
