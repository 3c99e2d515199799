"""Each proof of the demonstration accepts the truth and refuses a falsified answer. No stack: made-up, tiny truths."""

from __future__ import annotations

import ast
import copy
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import telling
from deploy.demo.naive import cubes, feed, invoices, log, rating, rows, topic, visits
from deploy.demo.naive.evidence import Refused, sha256, tree_root
from deploy.demo.steps.counter import altered, refused_when_changed
from tests.support.demo import (
    AGREEMENTS,
    DIARY,
    answer_for,
    copies_for,
    diary_rows,
    document,
    explanation,
    records_for,
    sent_visit,
)

Change = Callable[[Any], None]


def refused(prove: Callable[..., object], *arguments: Any) -> None:
    """The proof refuses these arguments."""
    with pytest.raises(Refused):
        prove(*arguments)


# The log


def test_a_true_log_is_believed() -> None:
    log.check_rows(diary_rows(), DIARY)


@pytest.mark.parametrize(
    "falsify",
    [
        lambda found, events: found.pop(1) and events.pop(1),
        lambda found, events: found.__setitem__(1, found[1]._replace(leaf=sha256(b"other"))),
        lambda found, events: found.__setitem__(1, found[1]._replace(body=found[1].body.replace(b"kela", b"vero", 1))),
        lambda found, events: events[1].__setitem__("position", "7"),
        lambda found, events: events[1].__setitem__("recordedtime", "2026-01-01T00:00:00.000000Z"),
    ],
    ids=["a missing position", "another leaf", "a swapped byte", "another position", "time that goes back"],
)
def test_a_false_log_is_refused(falsify: Callable[[Any, Any], object]) -> None:
    found, events = diary_rows(), copy.deepcopy(DIARY)
    falsify(found, events)
    refused(log.check_rows, found, events)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    found = diary_rows()
    root = tree_root([row.body for row in found[:2]])
    log.check_root(found, 2, root)
    refused(log.check_root, found, 3, root)
    refused(log.check_root, found, len(found) + 1, root)
    refused(log.check_root, [found[1], found[0], *found[2:]], 2, root)


@pytest.mark.parametrize(
    "falsify",
    [
        lambda answer, event, sent: answer.__setitem__("event_id", "another"),
        lambda answer, event, sent: answer.__setitem__("position", 2),
        lambda answer, event, sent: sent["acts"][0].__setitem__("quantity", 9),
        lambda answer, event, sent: sent["acts"].append(dict(sent["acts"][0])),
        lambda answer, event, sent: sent.__setitem__("late_reason", "outage"),
        lambda answer, event, sent: sent.__setitem__("occurred_at", "2026-10-05T10:16:00+03:00"),
        lambda answer, event, sent: sent.__setitem__("service_point_id", "piste-091-1"),
        lambda answer, event, sent: event["data"].__setitem__("provider_id", "kunta-091"),
    ],
    ids=["event id", "position", "quantity", "one act more", "late reason", "time", "point", "event not as stored"],
)
def test_a_visit_recorded_otherwise_than_sent_is_refused(falsify: Callable[[Any, Any, Any], object]) -> None:
    answer, event, sent = answer_for(0), copy.deepcopy(DIARY[0]), sent_visit(0)
    log.check_recorded(answer, event, diary_rows()[0], sent)
    falsify(answer, event, sent)
    refused(log.check_recorded, answer, event, diary_rows()[0], sent)


def test_a_lost_or_doubled_promise_is_seen() -> None:
    promises = [answer_for(n) for n in range(len(DIARY))]
    assert log.check_acknowledged(promises, diary_rows(), DIARY) == len(DIARY)
    refused(log.check_acknowledged, promises, diary_rows()[:-1], DIARY[:-1])
    refused(log.check_acknowledged, [{"position": 1, "event_id": "never"}], diary_rows(), DIARY)
    refused(log.check_acknowledged, [*promises, {"position": 1, "event_id": "twice"}], diary_rows(), DIARY)
    refused(log.check_acknowledged, promises, [*diary_rows(), diary_rows()[0]], [*DIARY, DIARY[0]])


# The receipt's verifiers are tried in tests/unit/test_evidence_receipt.py; here the demonstration's own part.


def test_an_altered_receipt_is_another_one() -> None:
    receipt = json.dumps({"statement": json.dumps({"position": 17}, separators=(",", ":"))}).encode()
    assert json.loads(altered(receipt)) != json.loads(receipt)
    assert len(altered(receipt)) == len(receipt)


def test_a_receipt_that_may_be_changed_unseen_fails_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = json.dumps({"statement": "x" * 500}).encode()
    monkeypatch.setattr("deploy.demo.steps.counter.check_receipt", lambda changed, keys: {})
    refused(refused_when_changed, receipt, [])


# Topics


def _moved(record: topic.Record, position: bytes) -> topic.Record:
    return record._replace(offset=99, headers={**record.headers, "position": position})


def test_a_topic_with_repeats_holds_the_log() -> None:
    records = records_for(diary_rows(), partitions=3)
    again = [record._replace(offset=record.offset + 100) for record in records]
    assert topic.check_topic([*records, *again], diary_rows(), 3) == len(records)


@pytest.mark.parametrize(
    "falsify",
    [
        lambda records: records.pop(),
        lambda records: records.pop(0),
        lambda records: records.__setitem__(0, records[0]._replace(value=records[0].value + b" ")),
        lambda records: records.__setitem__(0, records[0]._replace(partition=(records[0].partition + 1) % 3)),
        lambda records: records.append(records[0]._replace(offset=99, value=records[0].value[:-1] + b" }")),
        lambda records: records.append(
            records[0]._replace(offset=99, headers={**records[0].headers, "position": b"99"})
        ),
        lambda records: records[-1].headers.__setitem__("previousleaf", b"00" * 32),
    ],
    ids=["last lost", "first lost", "other bytes", "wrong partition", "false repeat", "unknown record", "other chain"],
)
def test_a_false_topic_is_refused(falsify: Callable[[list[topic.Record]], object]) -> None:
    records = records_for(diary_rows(), partitions=3)
    falsify(records)
    refused(topic.check_topic, records, diary_rows(), 3)


def test_a_false_feed_topic_is_refused() -> None:
    copies = copies_for("kela")
    records = [topic.Record(0, n, {"position": str(n + 1).encode()}, body) for n, body in enumerate(copies)]
    topic.check_feed_topic(records, copies)
    refused(topic.check_feed_topic, records[:-1], copies)
    refused(topic.check_feed_topic, records[1:], copies)
    refused(topic.check_feed_topic, [*records, records[0]._replace(offset=9, headers={"position": b"9"})], copies)
    refused(topic.check_feed_topic, [records[0]._replace(value=b"{}"), *records[1:]], copies)


# The feed


def test_the_parts_of_two_authorities_are_believed() -> None:
    feed.check_feed("kela", copies_for("kela"), DIARY)
    feed.check_feed("vero", copies_for("vero"), DIARY)


def _falsified(number: int, change: Change) -> list[bytes]:
    copies = copies_for("kela")
    read = json.loads(copies[number])
    change(read)
    copies[number] = json.dumps(read).encode()
    return copies


@pytest.mark.parametrize(
    "copies",
    [
        copies_for("kela")[:-1],
        copies_for("kela")[1:],
        [*copies_for("kela"), copies_for("kela")[-1]],
        copies_for("vero"),
        _falsified(0, lambda read: read.__setitem__("position", "2")),
        _falsified(0, lambda read: read["data"]["visit"]["acts"].append(DIARY[0]["data"]["visit"]["acts"][1])),
        _falsified(0, lambda read: read["data"]["visit"].__setitem__("customers", 2)),
        _falsified(0, lambda read: read["data"].__setitem__("visit_id", DIARY[0]["data"]["visit_id"])),
        _falsified(0, lambda read: read.__setitem__("places", "kela:1 vero:1")),
        _falsified(0, lambda read: read["data"]["visit"]["acts"][0].__setitem__("quantity", 9)),
        _falsified(2, lambda read: read["data"].__setitem__("visit_ref", "f" * 64)),
        _falsified(0, lambda read: read.__setitem__("source", "/apudiaari/diary/authority/vero")),
    ],
    ids=[
        "last missing", "first missing", "one too many", "another's feed", "a number twice", "another's act",
        "how many customers", "the visit's id", "where others have theirs", "another quantity", "two names of a visit",
        "another source",
    ],
)  # fmt: skip
def test_a_feed_that_shows_more_or_less_is_refused(copies: Sequence[bytes]) -> None:
    refused(feed.check_feed, "kela", copies, DIARY)


def test_the_bytes_of_copies_are_found_in_the_answer() -> None:
    copies = copies_for("kela")
    answer = b'{"feed":"kela","head":%d,"events":[%b]}' % (len(copies), b",".join(copies))
    assert feed.split_events(answer) == (len(copies), copies)
    assert feed.split_events(b'{"feed":"kela","head":0,"events":[]}') == (0, [])


# What is due, and invoices


def due_now(diary: list[dict[str, Any]] | None = None) -> dict[rating.Key, rating.Due]:
    events = DIARY if diary is None else diary
    terms = rating.Terms(AGREEMENTS)
    return rating.due(visits.standing(events).values(), terms, {"kunta-732": "2026-10"}, "2026-10")


def test_what_is_due_is_known_by_hand() -> None:
    """Visit 1: one Kela act. Visit 2: two, corrected to three. Visit 3 was voided. 4 × 6.40; a fee of 31 of 31 days."""
    due = due_now()
    assert {(key.item, value.quantity, str(value.amount)) for key, value in due.items()} == {
        ("t1", 4, "25.60"),
        ("f1", 31, "100.00"),
    }


def test_a_document_of_what_is_due_is_believed() -> None:
    assert invoices.check_invoiced([document()], due_now()) == Decimal("125.60")
    invoices.check_numbers([document()])


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made["lines"][0].__setitem__("amount", "25.61"),
        lambda made: made["lines"][0].__setitem__("quantity", 5),
        lambda made: made["lines"][0].__setitem__("unit_price", "6.41"),
        lambda made: made["lines"].pop(),
        lambda made: made.__setitem__("total", "125.61"),
        lambda made: made["vat"][0].__setitem__("base", "125.59"),
        lambda made: made.__setitem__("payer_id", "vero"),
        lambda made: made["lines"][0].__setitem__("service_month", "2026-09"),
        lambda made: made["lines"][0].__setitem__("line_no", 3),
    ],
    ids=["a wrong cent", "quantity", "price", "a line missing", "total", "base", "payer", "month", "line number"],
)
def test_a_wrong_document_is_refused(change: Change) -> None:
    made = document()
    change(made)
    refused(invoices.check_invoiced, [made], due_now())


def test_what_was_invoiced_twice_or_never_is_refused() -> None:
    refused(invoices.check_invoiced, [document(), document()], due_now())
    refused(invoices.check_invoiced, [], due_now())


def test_a_gap_in_the_numbers_is_refused() -> None:
    first, second = document(), document()
    second["number"] = "KUNTA732-2026-000003"
    refused(invoices.check_numbers, [first, second])
    refused(invoices.check_numbers, [first, first])


def test_a_true_explanation_is_believed() -> None:
    invoices.check_explanation(document(), 1, explanation(), visits.standing(DIARY), rating.Terms(AGREEMENTS))


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["acts"].pop(),
        lambda told: told["acts"].append(told["acts"][0]),
        lambda told: told["acts"][0].__setitem__("visit_ref", "another"),
        lambda told: told["acts"][0].__setitem__("act_no", 2),
        lambda told: told["acts"][0].__setitem__("sign", -1),
        lambda told: told["acts"][0].__setitem__("agreement_version", 2),
        lambda told: told.__setitem__("agreement_version", 2),
        lambda told: told.__setitem__("amount", "25.59"),
    ],
    ids=["an act missing", "an act twice", "another visit", "another act", "sign", "act's version", "version", "cent"],
)
def test_a_false_explanation_is_refused(change: Change) -> None:
    told = explanation()
    change(told)
    refused(
        invoices.check_explanation, document(), 1, told, visits.standing(DIARY), rating.Terms(AGREEMENTS)
    )  # fmt: skip


def test_a_line_that_its_acts_do_not_make_is_refused() -> None:
    without = [event for event in DIARY if event["position"] != "3"]
    refused(
        invoices.check_explanation, document(), 1, explanation(), visits.standing(without), rating.Terms(AGREEMENTS)
    )  # fmt: skip


def _credit(**change: Any) -> dict[str, Any]:
    """The credit of what the correction and the void in the log took back, had they been billed before."""
    line = {
        **document()["lines"][0], "quantity": -4, "amount": "-25.60", "reverses": {"number": "KUNTA732-2026-000001"},
    }  # fmt: skip
    made = document() | {
        "number": "KUNTA732-2026-000002", "kind": "credit_note", "lines": [line], "total": "-25.60",
        "vat": [{"base": "-25.60", "vat": "0.00"}], "corrects": ["KUNTA732-2026-000001"],
    }  # fmt: skip
    return made | change


def _before_and_after() -> tuple[dict[rating.Key, rating.Due], dict[rating.Key, rating.Due]]:
    after = due_now()
    return after, {key: value for key, value in after.items() if key.item != "t1"}


def test_a_true_credit_note_is_believed() -> None:
    invoices.check_credit_note(_credit(), document(), *_before_and_after())


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "invoice"},
        {"corrects": ["KUNTA732-2026-000009"]},
        {"total": "25.60"},
        {"lines": [document()["lines"][0]]},
        {"payer_id": "vero"},
    ],
    ids=["not a credit note", "corrects another", "not negative", "another line", "to another payer"],
)
def test_a_false_credit_note_is_refused(change: dict[str, Any]) -> None:
    refused(invoices.check_credit_note, _credit(**change), document(), *_before_and_after())


def test_a_difference_is_told_by_month_and_a_wrong_one_refused() -> None:
    before, after = _before_and_after()
    assert invoices.check_difference([_credit()], "kela", before, after) == {"2026-10": Decimal("-25.60")}
    refused(invoices.check_difference, [], "kela", before, after)
    refused(invoices.check_difference, [_credit(), _credit()], "kela", before, after)
    refused(invoices.check_difference, [_credit()], "kela", after, after)


def test_a_changed_or_vanished_document_is_refused() -> None:
    before = {"A-1": b"one", "A-2": b"two"}
    invoices.check_untouched(before, before | {"A-3": b"three"})
    refused(invoices.check_untouched, before, {"A-1": b"one", "A-2": b"twO"})
    refused(invoices.check_untouched, before, {"A-1": b"one"})


# Figures and rows


def test_wrong_figures_are_refused() -> None:
    counted = visits.count_acts(visits.standing(DIARY).values())
    shown = [[*key, number] for key, number in counted.items()]
    cubes.check_cube("acts", shown, counted)
    refused(cubes.check_cube, "acts", shown[:-1], counted)
    refused(cubes.check_cube, "acts", [*shown, ["2026-10", "poliisi", 1]], counted)
    refused(cubes.check_cube, "acts", [[*shown[0][:-1], counted.total()], *shown[1:]], counted)
    refused(cubes.check_cube, "acts", [*shown, shown[0]], counted)


def test_wrong_euros_are_refused() -> None:
    events = [{"type": "fi.yhteispalvelu.billing.InvoiceIssued.v1", "data": document()}]
    counted = cubes.compensation(events)
    cubes.check_cube("compensation", [["2026-10", "kela", "125.60"]], counted)
    refused(cubes.check_cube, "compensation", [["2026-10", "kela", "125.61"]], counted)
    assert cubes.documents_issued(events, "InvoiceIssued") == Counter({("2026-10",): 1})
    assert not cubes.documents_issued(events, "CreditNoteIssued")


def test_rows_that_differ_between_versions_are_refused() -> None:
    left = Counter({"(1,kela)": 1, "(2,vero)": 1})
    rows.check_equal("acts", left, Counter(left))
    refused(rows.check_equal, "acts", left, Counter({"(1,kela)": 1}))
    refused(rows.check_equal, "acts", left, Counter({"(1,kela)": 2, "(2,vero)": 1}))
    refused(rows.check_equal, "acts", left, Counter({"(1,kela)": 1, "(2,dvv)": 1}))


def test_acts_that_are_not_those_of_the_log_are_refused() -> None:
    kept = visits.signed_acts(DIARY)
    rows.check_acts(kept, DIARY)
    refused(rows.check_acts, kept - Counter(list(kept)[:1]), DIARY)
    refused(rows.check_acts, kept + Counter(list(kept)[:1]), DIARY)


# What makes the proofs worth something


def test_the_second_opinion_shares_nothing_with_the_services() -> None:
    files = sorted(Path(log.__file__).parent.glob("*.py"))
    assert len(files) > 5
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            ours = [name for name in names if name.split(".")[0] in {"services", "schemas", "deploy", "tests"}]
            assert all(name.startswith("deploy.demo.naive") for name in ours), f"{file.name} imports {ours}"


def test_everything_is_said_in_three_languages_with_the_same_values() -> None:
    texts = tomllib.loads((Path(telling.__file__).parent / "texts.toml").read_text(encoding="utf-8"))
    for key, said in texts.items():
        assert said.keys() == set(telling.LANGUAGES), key
        values = {language: set(re.findall(r"{(\w+)}", text)) for language, text in said.items()}
        assert values["fi"] == values["sv"] == values["en"], key
