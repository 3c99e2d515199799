"""Write the samples: complete envelopes, exact bytes. ``python -m schemas.make_samples`` writes only what is missing.

A sample once written is never written again: it stands for events that lie in some log for ever.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import orjson

from schemas import sample_data
from schemas.base import EventData
from schemas.envelope import Envelope, encode
from schemas.publish import short_name

ROOT = Path(__file__).parent / "samples"
RECORDED = dt.datetime(2026, 11, 24, 8, 15, 30, 123456, tzinfo=dt.UTC)
PILOT_TYPE = "fi.yhteispalvelu.diary.VisitRecorded.v0"
FEEDS = (("kela", 9120), ("vero", 3311))


def samples() -> Iterator[tuple[str, bytes]]:
    """Every sample: its path below ``samples/`` and its bytes."""
    groups = (
        sample_data.DIARY,
        sample_data.AGREEMENTS,
        sample_data.BILLING,
        sample_data.CONTROL,
        sample_data.AUTHORITY,
    )
    for position, (name, data) in enumerate(chain.from_iterable(group.items() for group in groups), 1):
        short, version = short_name(data.TYPE)
        yield f"{short}/{version}/{name}.json", encode(_envelope(position, data), data)
    yield from _pilot()


def _envelope(position: int, data: EventData) -> Envelope:
    short, _ = short_name(data.TYPE)
    area = short.rpartition(".")[0]
    service = area.removeprefix("authority.")
    return Envelope(
        id=sample_data.uid(f"event {position}"),
        source=f"/apudiaari/{'diary' if service == 'log' else service}",
        type=data.TYPE,
        subject=str(sample_data.uid(f"stream {position}")),
        occurred=sample_data.at(10, 15),
        recorded=RECORDED + dt.timedelta(microseconds=position),
        position=position,
        stream_version=1,
        places=FEEDS if area == "diary" else (),
    )


def _pilot() -> Iterator[tuple[str, bytes]]:
    """The pilot's events, as its own program wrote them: no model of ours is involved."""
    for number, minutes in enumerate(("12", "0"), 1):
        data = orjson.loads(orjson.dumps(sample_data.PILOT))
        data["visit"]["acts"][0]["minutes"] = minutes
        head = {
            "specversion": "1.0",
            "id": str(sample_data.uid(f"pilot event {number}")),
            "source": "/apudiaari/diary",
            "type": PILOT_TYPE,
            "subject": data["visit_id"],
            "time": data["visit"]["occurred_at"],
            "recordedtime": f"2026-02-03T07:31:00.00000{number}Z",
            "position": str(number),
            "streamversion": "1",
            "dataschema": "/schemas/diary.VisitRecorded/0",
            "datacontenttype": "application/json",
        }
        yield f"diary.VisitRecorded/0/minutes_{minutes}.json", orjson.dumps(head | {"data": data})


def write_missing(root: Path = ROOT) -> list[str]:
    """Write the samples that are not there yet; their paths."""
    written = []
    for name, raw in samples():
        path = root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
            written.append(name)
    return written


if __name__ == "__main__":
    for written in write_missing():
        print(f"wrote samples/{written}")
