"""The stream of visits: exact in number, the same from the same seed, and true to the network it plays in."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

from deploy.demo.network import Network, VisitCommand
from services.chassis.clock import HELSINKI
from services.diary.domain import entries
from tests.support.network import TODAY, network, register

NOW = dt.datetime(2026, 11, 24, 11, 17, 30, tzinfo=HELSINKI)
TOTAL = 20_000
DIGEST = """
import datetime as dt, hashlib
from deploy.demo.network import Network
network = Network.make(1, today=dt.date(2026, 11, 24))
commands = network.visits(dt.date(2026, 10, 1), dt.date(2026, 10, 14), 700)
print(hashlib.sha256(repr([list(network.commands()), list(commands)]).encode()).hexdigest())
"""


@cache
def stream(total: int = TOTAL) -> list[VisitCommand]:
    return list(network().visits(*network().last_months(), total, now=NOW))


def visits() -> list[VisitCommand]:
    return [command for command in stream() if command.kind == "visit"]


def day_of(command: VisitCommand) -> dt.date:
    return dt.date.fromisoformat(command.body["occurred_at"][:10])


def digest(hash_seed: str) -> str:
    """Of the network and a fortnight, made in a process of its own, where sets of strings have another order."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_same_in_every_process() -> None:
    assert digest("1") == digest("2")


def test_another_seed_makes_other_visits() -> None:
    october = dt.date(2026, 10, 1), dt.date(2026, 10, 7)
    one = list(network().visits(*october, 300))
    assert one == list(network().visits(*october, 300))
    assert one != list(Network.make(2, today=TODAY).visits(*october, 300))


@pytest.mark.parametrize("total", [1, 333, TOTAL])
def test_exactly_as_many_visits_as_asked_for(total: int) -> None:
    assert sum(command.kind == "visit" for command in stream(total)) == total


def test_ids_are_unique_and_the_order_is_that_of_recording() -> None:
    ids = [command.id for command in stream()]
    assert len(set(ids)) == len(ids)
    moments = [dt.datetime.fromisoformat(command.recorded_at) for command in stream()]
    assert moments == sorted(moments)
    assert moments[-1] <= NOW


def test_every_visit_lies_in_opening_hours_of_an_existing_point_and_none_in_the_future() -> None:
    points = {p.id: p for p in network().service_points}
    everything = visits() + [VisitCommand(*c[:6], c.body["visit"]) for c in stream() if c.kind == "correction"]
    for command in everything:
        point, local = points[command.service_point_id], dt.datetime.fromisoformat(command.body["occurred_at"])
        minute = local.hour * 60 + local.minute
        assert local.utcoffset() == local.astimezone(HELSINKI).utcoffset()
        assert any(day == local.isoweekday() and a <= minute < b for day, a, b in point.hours), command
        assert local.date() >= point.open_from
        assert local <= dt.datetime.fromisoformat(command.recorded_at) <= NOW
    assert max(map(day_of, everything)) == TODAY


def test_without_now_the_stream_ends_yesterday() -> None:
    commands = list(network().visits(TODAY - dt.timedelta(days=7), TODAY, 500))
    assert max(command.recorded_at for command in commands)[:10] < str(TODAY)


def test_acts_are_known_to_the_register_and_for_who_holds_the_task() -> None:
    known, points = register(), {p.id: p for p in network().service_points}
    for command in visits():
        day, code = day_of(command), points[command.service_point_id].municipality.code
        for act in command.body["acts"]:
            service = known.service_on(act["authority_id"], act["service"], day)
            assert service and act["task"] in service.tasks, act
            assert known.holder(act["authority_id"], code, day) == act["authority_id"]
            assert act["quantity"] >= 1 and act["minutes"] >= 1


def test_shape() -> None:
    acts = [act for command in visits() for act in command.body["acts"]]
    assert 1.2 < len(acts) / TOTAL < 1.4
    by_weekday = Counter(day_of(command).isoweekday() for command in visits())
    assert by_weekday[1] > by_weekday[3] > by_weekday[5] > by_weekday[6] > 0 == by_weekday[7]
    by_day = Counter(map(day_of, visits()))
    ends = [by_day[dt.date(2026, 10, n)] for n in (28, 29, 30)]  # A Wednesday, Thursday and Friday.
    ordinary = [by_day[dt.date(2026, 10, n)] for n in (14, 15, 16)]
    assert sum(ends) > 1.15 * sum(ordinary)
    assert set(Counter(act["channel"] for act in acts)) == {
        "counter", "phone", "remote", "post", "drop_box", "home_visit",
    }  # fmt: skip
    own = [c for c in visits() for act in c.body["acts"] if act["service"] == "yleisneuvonta"]
    assert 0.03 < len(own) / TOTAL < 0.12


def test_small_points_have_about_three_visits_a_week() -> None:
    """At 60,000 visits, that is: the shares are the same at any total."""
    small = {p.id for p in network().service_points if p.weekly == 3.0 and p.open_from.year < 2026}
    count = sum(command.service_point_id in small for command in visits())
    weeks = sum(1 for day in set(map(day_of, visits())) if day.isoweekday() <= 5) / 5
    assert 2.4 < count * 60_000 / TOTAL / len(small) / weeks < 3.6


def test_languages_follow_the_municipality() -> None:
    points = {p.id: p for p in network().service_points}
    spoken: dict[str, Counter[str]] = defaultdict(Counter)
    for command in visits():
        spoken[points[command.service_point_id].municipality.languages[0]][command.body["language"]] += 1
    assert spoken["fi"]["fi"] > spoken["fi"]["sv"]
    assert spoken["sv"]["sv"] > spoken["sv"]["fi"]
    assert spoken["fi"]["se"]


def test_some_acts_have_no_agreement() -> None:
    bare = sum(
        network().agreement_for(c.service_point_id, act["authority_id"], day_of(c)) is None
        for c in visits()[:4000]
        for act in c.body["acts"]
        if act["service"] != "yleisneuvonta"
    )
    assert 40 < bare < 500


def test_what_follows_a_visit_is_about_one_that_came_before() -> None:
    seen: dict[str, VisitCommand] = {}
    kinds: Counter[str] = Counter()
    for command in stream():
        kinds[command.kind] += 1
        if command.kind in ("correction", "void"):
            assert seen[command.subject_id].service_point_id == command.service_point_id
            assert command.body["based_on"] == 1
        if command.kind == "correction":
            before, after = seen[command.subject_id].body, command.body["visit"]
            assert before != after
            assert (command.body["reason"] == "wrong_time") == (before["occurred_at"] != after["occurred_at"])
        if command.kind == "document":
            body = command.body
            act = seen[body["visit_id"]].body["acts"][body["act_no"] - 1]
            assert (act["authority_id"], act["task"]) == (body["authority_id"], "receive_document")
        if command.kind == "forwarded":
            assert seen[command.subject_id].recorded_at < command.recorded_at
        seen[command.id] = command
    assert kinds["document"] > 100 and kinds["forwarded"] > 100 and kinds["correction"] > 40 and kinds["void"] > 15


def test_late_entries_say_why() -> None:
    late = [command for command in visits() if day_of(command) < dt.date.fromisoformat(command.recorded_at[:10])]
    assert 60 < len(late) < 300
    assert all(command.body["late_reason"] for command in late)
    assert sum("late_reason" in command.body for command in visits()) == len(late)


def test_a_store_of_today_can_have_a_reason_for_all_of_history() -> None:
    for command in network().visits(TODAY - dt.timedelta(days=3), TODAY, 400, now=NOW, history_reason="other"):
        if command.kind == "visit" and day_of(command) < TODAY:
            assert command.body["late_reason"]
        elif command.kind == "visit":
            assert "late_reason" not in command.body


def test_bodies_have_the_shape_that_the_counter_takes() -> None:
    shapes = {
        "visit": entries.RecordVisit,
        "correction": entries.CorrectVisit,
        "void": entries.VoidVisit,
        "document": entries.ReceiveDocument,
        "forwarded": entries.ForwardDocument,
    }
    for command in stream():
        shapes[command.kind].model_validate(command.body)
    assert {command.kind for command in stream()} == set(shapes)


def test_paths() -> None:
    first = {command.kind: command for command in reversed(stream())}
    assert first["visit"].path == f"/api/visits/{first['visit'].id}"
    assert (first["visit"].method, first["void"].method) == ("PUT", "POST")
    assert first["correction"].path == f"/api/visits/{first['correction'].subject_id}/corrections"
    assert first["forwarded"].path == f"/api/documents/{first['forwarded'].subject_id}/forwarded"
