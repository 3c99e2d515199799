"""Each kind of breaking change is found, and said to whom it matters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import Field, create_model

from schemas import catalogue, compat, publish
from schemas.base import EventData, Part
from schemas.compat import NOTE, READERS, STORED

TYPE = "fi.yhteispalvelu.test.Thing.v1"


class Inner(Part):
    code: Annotated[str, Field(pattern="^[a-z]+$", max_length=9)]


BASE: dict[str, Any] = {
    "count": (Annotated[int, Field(ge=1, le=99)], ...),
    "note": (Annotated[str, Field(max_length=5)] | None, None),
    "state": (Literal["open", "shut"], ...),
    "inner": (Inner, ...),
    "many": (Annotated[tuple[Inner, ...], Field(min_length=1)], ...),
    "items": (dict[str, int], ...),
    "flag": (bool, False),
}


def thing(**changes: Any) -> type[EventData]:
    fields = {name: field for name, field in (BASE | changes).items() if field is not None}
    model = create_model("Thing", __base__=EventData, **fields)
    model.TYPE = TYPE
    return model


def findings(tmp_path: Path, **changes: Any) -> set[tuple[str, str]]:
    compat.write_missing({TYPE: thing()}, tmp_path)
    found = compat.report({TYPE: thing(**changes)}, tmp_path)
    return {(finding.whom, finding.what.partition(" ")[0].rstrip(":")) for finding in found}


class OtherInner(Part):
    code: Annotated[str, Field(pattern="^[a-z]+$", max_length=9)]
    extra: int


BOTH = {READERS, STORED}
CASES: dict[str, tuple[dict[str, Any], set[str], str]] = {
    "nothing changed": ({}, set(), ""),
    "field removed": ({"count": None}, BOTH, "data.count"),
    "optional field removed": ({"note": None}, {STORED}, "data.note"),
    "field renamed": ({"state": None, "status": (Literal["open", "shut"], ...)}, BOTH, "data.stat"),
    "new required field": ({"more": (int, ...)}, {STORED}, "data.more"),
    "new optional field": ({"more": (int | None, None)}, {NOTE}, "data.more"),
    "another type": ({"count": (str, ...)}, BOTH, "data.count"),
    "narrower below": ({"count": (Annotated[int, Field(ge=2, le=99)], ...)}, {STORED}, "data.count"),
    "narrower above": ({"count": (Annotated[int, Field(ge=1, le=98)], ...)}, {STORED}, "data.count"),
    "wider below": ({"count": (Annotated[int, Field(ge=0, le=99)], ...)}, {READERS}, "data.count"),
    "no bound any more": ({"count": (Annotated[int, Field(ge=1)], ...)}, {READERS}, "data.count"),
    "shorter text": ({"note": (Annotated[str, Field(max_length=4)] | None, None)}, {STORED}, "data.note"),
    "longer text": ({"note": (Annotated[str, Field(max_length=6)] | None, None)}, {READERS}, "data.note"),
    "new member": ({"state": (Literal["open", "shut", "lost"], ...)}, {READERS}, "data.state"),
    "lost member": ({"state": (Literal["open"], ...)}, {STORED}, "data.state"),
    "now required": ({"note": (Annotated[str, Field(max_length=5)], ...)}, {STORED}, "data.note"),
    "now optional": ({"inner": (Inner | None, None)}, {READERS}, "data.inner"),
    "another default": ({"flag": (bool, True)}, {STORED}, "data.flag"),
    "inside an array": (
        {"many": (Annotated[tuple[OtherInner, ...], Field(min_length=1)], ...)},
        {STORED},
        "data.many[]",
    ),
    "an empty array": ({"many": (tuple[Inner, ...], ...)}, {READERS}, "data.many"),
    "values of a map": ({"items": (dict[str, str], ...)}, BOTH, "data.items[]"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_change_is_found(tmp_path: Path, case: str) -> None:
    changes, whom, where = CASES[case]
    found = findings(tmp_path, **changes)
    assert {who for who, _ in found} == whom
    assert all(path.startswith(where) for _, path in found), found


def test_another_pattern_may_break_both(tmp_path: Path) -> None:
    class Shouting(Part):
        code: Annotated[str, Field(pattern="^[A-Z]+$", max_length=9)]

    assert findings(tmp_path, inner=(Shouting, ...)) == {(READERS, "data.inner.code"), (STORED, "data.inner.code")}


def test_only_a_change_that_breaks_nobody_is_published_anew(tmp_path: Path) -> None:
    files = compat.write_missing({TYPE: thing()}, tmp_path)
    before = [path.read_bytes() for path in files]
    assert compat.accept({TYPE: thing(more=(int, ...))}, tmp_path) == []
    assert [path.read_bytes() for path in files] == before
    optional = thing(more=(int | None, None))
    assert sorted(compat.accept({TYPE: optional}, tmp_path)) == files
    assert compat.report({TYPE: optional}, tmp_path) == []


def test_a_rename_is_named(tmp_path: Path) -> None:
    compat.write_missing({TYPE: thing()}, tmp_path)
    found = compat.report({TYPE: thing(count=None, number=BASE["count"])}, tmp_path)
    assert any("data.count is renamed to number" in finding.what for finding in found)


def test_a_type_without_model_and_without_upcaster_is_unreadable(tmp_path: Path) -> None:
    compat.write_missing({TYPE: thing()}, tmp_path)
    assert [(f.type, f.whom) for f in compat.report({}, tmp_path)] == [(TYPE, STORED)]


def test_a_new_type_breaks_nobody(tmp_path: Path) -> None:
    assert [finding.breaking for finding in compat.report({TYPE: thing()}, tmp_path)] == [False]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "schemas.compat", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_command_says_that_nothing_breaks() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("no breaking changes\n")


def test_the_command_fails_on_a_break_and_says_for_whom(tmp_path: Path) -> None:
    name = "fi.yhteispalvelu.diary.VisitVoided.v1"
    compat.write_missing(catalogue.types(), tmp_path)
    path = publish.path_of(name, "writer", tmp_path)
    schema = orjson.loads(path.read_bytes())
    schema["properties"]["gone"] = {"type": "integer"}
    schema["required"].append("gone")
    path.write_bytes(orjson.dumps(schema))
    done = run("--against", str(tmp_path))
    assert done.returncode == 1
    assert f"breaks readers of {name}: data.gone is removed; they require it" in done.stdout
    assert f"breaks stored events of {name}: data.gone is removed" in done.stdout
    assert "2 breaking changes" in done.stdout


def test_an_empty_directory_is_no_success(tmp_path: Path) -> None:
    assert run("--against", str(tmp_path)).returncode == 1


def test_help_says_who_can_be_hurt() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "Stored events" in done.stdout
