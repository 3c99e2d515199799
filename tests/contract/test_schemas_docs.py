"""The catalogue and the AsyncAPI document say what the models say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import catalogue, docs, make_samples, topics
from schemas.envelope import decode

DOCUMENT = docs.asyncapi()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[key] for key in value if key == "$ref")
        for child in value.values():
            yield from references(child)


def found(reference: str) -> bool:
    if reference.startswith("./"):
        return (docs.HERE / reference).is_file()
    target: Any = DOCUMENT
    for key in reference.removeprefix("#/").split("/"):
        target = target.get(key, {})
    return bool(target)


@pytest.mark.parametrize("path", docs.rendered(), ids=lambda path: path.name)
def test_a_document_is_what_the_models_make(path: Any) -> None:
    assert path.read_bytes() == docs.rendered()[path], "run python -m schemas.docs"


def test_every_type_has_a_meaning_and_is_in_both_documents() -> None:
    page = docs.catalogue_page()
    for name, model in catalogue.types().items():
        short, _ = docs.short_name(name)
        assert docs.meaning(model), name
        assert f"](published/{short})" in page
        assert DOCUMENT["components"]["messages"][short]["name"] == name


def test_every_topic_is_a_channel() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert {topic.name for topic in topics.EVENT_TOPICS.values()} <= addresses
    assert topics.authority_topic("{authority}", "diary").name in addresses


def test_every_reference_leads_somewhere() -> None:
    assert [reference for reference in references(DOCUMENT) if not found(reference)] == []
    assert not found("#/components/messages/diary.Nothing")


def test_the_samples_fit_the_envelope() -> None:
    validator = Draft202012Validator(DOCUMENT["components"]["schemas"]["envelope"])
    for path in make_samples.ROOT.glob("*/*/*.json"):
        event = docs.orjson.loads(path.read_bytes())
        validator.validate(event)
        assert decode(path.read_bytes()).position == int(event["position"])
    assert not validator.is_valid({"specversion": "1.0"})
