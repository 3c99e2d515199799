"""Raw records of one topic become one frame, or are named as poison. Pure; runs in a worker thread.

Law: a row in the frame was accepted by the reader model, or is one that the reader would accept with the same values
(:mod:`schemas.suspects`). Whether a doubtful row is good is decided by the reader model alone.

Frame columns: ``position`` Int64, ``partition`` Int32, ``type`` (short name), ``event_id``, ``subject``, ``version``
Int64, ``time``, ``recordedtime``, ``places`` (strings), ``data`` (struct of the source's fields), in record order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import orjson
import polars as pl

from schemas.folded import ATTRIBUTES, SLICE_EVENTS, as_text, decode, envelope, polars_schema, prune, union
from schemas.suspects import suspects
from schemas.upcasters import UPCASTERS, UpcastError, read
from services.chassis.projection.model import Source


class Raw(NamedTuple):
    """A record that the rule lets through: its place, and the exact bytes."""

    position: int
    partition: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded slice. ``poison``: index of a record → why it was refused. ``ignored``: count per type not folded."""

    frame: pl.DataFrame
    poison: Mapping[int, str]
    ignored: Mapping[str, int]


@cache
def schema_of(source: Source) -> pl.Struct:
    """The envelope of the source's own types, pruned to what the fold reads."""
    data = union(polars_schema(model) for model in source.types)
    return envelope(prune(data, source.keep) if source.keep else data)


def decode_records(source: Source, records: Sequence[Raw]) -> Decoded:
    """Decode, check and shape the records of one topic.

    Decoding is fast in slices, checking in one go: each of its many small steps would wait for the event loop's thread.
    """
    sound: list[tuple[pl.Series, pl.DataFrame]] = []
    judged = [_empty(source)]
    poison: dict[int, str] = {}
    for start in range(0, len(records), SLICE_EVENTS):
        text = as_text([record.value for record in records[start : start + SLICE_EVENTS]])
        try:
            frame = decode(text, schema_of(source))
        except (pl.exceptions.PolarsError, UnicodeDecodeError):
            frame, refused = _one_by_one(source, records, range(start, start + len(text)))
            judged.append(frame)
            poison |= refused
        else:
            numbers = pl.Series("row", range(start, start + len(text)), dtype=pl.Int64)
            sound.append((text, frame.insert_column(0, numbers)))
    if sound:
        frame = pl.concat([frame for _, frame in sound])
        doubtful = _doubtful(source, pl.concat([text for text, _ in sound]), frame)
        if doubtful.any():
            again, refused = _one_by_one(source, records, frame["row"].filter(doubtful).to_list())
            judged.append(again)
            poison |= refused
            frame = frame.filter(~doubtful)
        judged.append(frame)
    frame = judged[-1] if len(judged) == 2 else pl.concat(judged).sort("row")
    return _shaped(source, records, frame, poison)


def _doubtful(source: Source, text: pl.Series, frame: pl.DataFrame) -> pl.Series:
    """Which rows the reader model must judge: suspects, and old versions."""
    return suspects(text, frame, source.topic.owner) | frame["type"].is_in(list(UPCASTERS)).fill_null(True)


def _one_by_one(source: Source, records: Sequence[Raw], rows: Sequence[int]) -> tuple[pl.DataFrame, dict[int, str]]:
    """The reader model decides; what it accepts is decoded again from what it read."""
    accepted: list[tuple[int, bytes]] = []
    poison: dict[int, str] = {}
    for row in rows:
        try:
            accepted.append((row, _as_read(records[row].value)))
        except ValueError as refusal:
            poison[row] = _reason(refusal)
    if not accepted:
        return _empty(source), poison
    frame = decode([value for _, value in accepted], schema_of(source))
    numbers = pl.Series("row", [row for row, _ in accepted], dtype=pl.Int64)
    return frame.insert_column(0, numbers), poison


def _as_read(raw: bytes) -> bytes:
    """The event again, with the values that the reader found and the newest type."""
    event = read(raw)
    plain = event.attributes.model_dump(mode="json", exclude={"data"})
    head = {name: str(plain[name]) for name in ATTRIBUTES}
    data = event.data.model_dump(mode="json", exclude_none=True) if event.data is not None else {}
    return orjson.dumps({**head, "type": event.type, "data": data})


def _reason(refusal: ValueError) -> str:
    """Why, without the values: they may be anything."""
    if isinstance(refusal, UpcastError):
        return f"/data: the upcaster could not make it new ({type(refusal.__cause__).__name__})"
    errors = getattr(refusal, "errors", None)
    if errors is None:
        return str(refusal)[:400]
    found = errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"/{'/'.join(map(str, item['loc']))}: {item['msg']}" for item in found)[:400]


def _empty(source: Source) -> pl.DataFrame:
    schema = schema_of(source)
    return pl.DataFrame(schema={"row": pl.Int64, **{field.name: field.dtype for field in schema.fields}})


def _shaped(source: Source, records: Sequence[Raw], frame: pl.DataFrame, poison: dict[int, str]) -> Decoded:
    """Types and positions checked against the header, columns typed, foreign types counted and left out."""
    frame = _with_places(records, frame.rename({"position": "claimed", "id": "event_id", "streamversion": "version"}))
    number = pl.col("claimed", "version").cast(pl.Int64, strict=False)
    frame = frame.with_columns(number, known=pl.col("type").is_in([model.TYPE for model in source.types]))
    lying = frame["claimed"].ne_missing(frame["position"])
    if lying.any():
        liars = frame.filter(lying)["row"].to_list()
        poison.update(dict.fromkeys(liars, "/position: differs from the record's header"))
        frame = frame.filter(~lying)
    foreign: Mapping[str, int] = {}
    if not frame["known"].all():
        foreign = Counter(frame.filter(~pl.col("known"))["type"].to_list())
        frame = frame.filter(pl.col("known"))
    short = {model.TYPE: model.TYPE.split(".")[-2] for model in source.types}
    return Decoded(frame.with_columns(pl.col("type").replace_strict(short)).select(*FRAME), poison, foreign)


def _with_places(records: Sequence[Raw], frame: pl.DataFrame) -> pl.DataFrame:
    """Position and partition of each record, from the headers; by row number where some rows are missing."""
    places = pl.DataFrame(
        {
            "position": [record.position for record in records],
            "partition": [record.partition for record in records],
        },
        schema={"position": pl.Int64, "partition": pl.Int32},
    )
    return frame.hstack(places if frame.height == places.height else places[frame["row"].to_list()])


FRAME = (
    "row", "position", "partition", "type", "event_id", "subject", "version", "time", "recordedtime", "places", "data",
)  # fmt: skip
