"""The published schemas and samples are frozen, and every sample is read by both schemas and by the models."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import Field, ValidationError, create_model

from schemas import catalogue, compat, make_samples, publish
from schemas.base import EventData, reader
from schemas.envelope import decode
from schemas.upcasters import UPCASTERS, read

SAMPLES = sorted(make_samples.ROOT.glob("*/*/*.json"))
NAMES = [str(path.relative_to(make_samples.ROOT)) for path in SAMPLES]
each_sample = pytest.mark.parametrize("path", SAMPLES, ids=NAMES)


def drift(models: dict[str, type[EventData]], root: Path = publish.ROOT) -> list[str]:
    """Published files that are not what the models say, or are missing."""
    return [
        f"{name} {side}"
        for name, model in models.items()
        for side in publish.SIDES
        if not (path := publish.path_of(name, side, root)).exists()
        or path.read_bytes() != publish.rendered(model, side)
    ]


def validator(type_name: str, side: str) -> Draft202012Validator:
    schema = publish.load(type_name, side)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_published_schemas_are_what_the_models_say() -> None:
    assert drift(dict(catalogue.types())) == [], "a published schema is frozen; see python -m schemas.compat"


def test_a_changed_model_is_noticed() -> None:
    name, model = next(iter(catalogue.types().items()))
    changed = create_model(model.__name__, __base__=model, extra_field=(int, Field(ge=0)))
    changed.TYPE = name
    assert drift({name: changed}) == [f"{name} writer", f"{name} reader"]


def test_nothing_breaks_what_is_published() -> None:
    assert [str(finding) for finding in compat.report(catalogue.types()) if finding.breaking] == []


def test_every_published_type_can_still_be_read() -> None:
    assert set(publish.published_types()) == set(catalogue.types()) | set(UPCASTERS)


def test_published_files_are_never_written_again(tmp_path: Path) -> None:
    models = dict(list(catalogue.types().items())[:2])
    first = compat.write_missing(models, tmp_path)
    first[0].write_bytes(b"frozen")
    assert len(first) == 4
    assert compat.write_missing(models, tmp_path) == []
    assert first[0].read_bytes() == b"frozen"


def test_writer_is_closed_and_reader_is_open_all_the_way_down() -> None:
    for name in catalogue.types():
        for side in publish.SIDES:
            schema = publish.load(name, side)
            objects = [schema, *schema.get("$defs", {}).values()]
            closed = {part.get("additionalProperties") for part in objects}
            assert closed == ({False} if side == "writer" else {None}), f"{name} {side}"


def test_every_type_has_two_samples() -> None:
    for name in publish.published_types():
        short, version = publish.short_name(name)
        assert len(list((make_samples.ROOT / short / str(version)).glob("*.json"))) >= 2, name


def test_samples_are_frozen() -> None:
    assert dict(make_samples.samples()) == {
        name: path.read_bytes() for name, path in zip(NAMES, SAMPLES, strict=True)
    }, "a sample stands for an event in a log; add another instead of changing it"


def test_samples_are_never_written_again(tmp_path: Path) -> None:
    written = make_samples.write_missing(tmp_path)
    (tmp_path / written[0]).write_bytes(b"frozen")
    assert make_samples.write_missing(tmp_path) == []


@each_sample
def test_a_sample_fits_its_own_published_schemas(path: Path) -> None:
    event = decode(path.read_bytes())
    short, version = publish.short_name(event.type)
    assert (path.parent.parent.name, path.parent.name) == (short, str(version))
    assert orjson.loads(path.read_bytes())["dataschema"] == f"/schemas/{short}/{version}"
    for side in publish.SIDES:
        validator(event.type, side).validate(event.data)


@each_sample
def test_an_unknown_field_is_refused_by_the_writer_and_ignored_by_the_reader(path: Path) -> None:
    event = decode(path.read_bytes())
    more = event.data | {"from_the_future": 1}
    assert not validator(event.type, "writer").is_valid(more)
    validator(event.type, "reader").validate(more)
    if (model := catalogue.model_of(event.type)) is not None:
        with pytest.raises(ValidationError):
            model.model_validate(more)
        assert reader(model).model_validate(more) == reader(model).model_validate(event.data)


@pytest.mark.parametrize("path", [path for path in SAMPLES if path.parent.name != "0"])
def test_a_sample_round_trips_through_its_model(path: Path) -> None:
    raw = path.read_bytes()
    known = read(raw)
    assert known.data is not None
    model = catalogue.model_of(known.attributes.type)
    assert model is not None, "an old version has no model; tests/unit/test_schemas_upcasters.py reads it"
    data = model.model_validate(known.attributes.data)
    body = data.__pydantic_serializer__.to_json(data, exclude_none=True)
    assert raw.endswith(b',"data":' + body + b"}")
    assert known.data.model_dump() == data.model_dump()
