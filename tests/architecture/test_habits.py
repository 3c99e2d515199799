"""House rules that a program can hold us to."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.sources import calls, files, functions, lines, tree

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 300

LONG_FILES = {
    "deploy/dev/supervisor.py": "one state machine of starts, deaths and restarts",
    "schemas/sample_data.py": "samples are data",
    "services/agreements/pages_forms.py": "three forms with one way of going wrong",
    "services/billing/domain/terms.py": "which terms rule an act is one question",
    "services/chassis/relay.py": "the relay's law and its loop are read together",
    "services/diary/domain/register.py": "the register's reading is one value with its questions",
    "services/diary/domain/visits.py": "record, correct and void share every check",
    "services/diary/handlers.py": "one function per command, and the graph of all",
    "services/diary/pages.py": "one page with its forms",
    "services/statistics/domain.py": "the definitions of all measures stand together",
    "services/statistics/store.py": "one query builder over all cubes",
    "services/billing/reading.py": "the reads of one page and one interface",
}
"""Files of the product over the limit, each with its reason. Split one, and its line here must go."""

COMMITS = {
    "services/chassis/db.py": "where commits happen",
    "services/chassis/migrate.py": "Alembic's own transaction, in the owner's hands",
    "services/chassis/projection/consume.py": "an offset of Kafka, which is a hint and no truth",
}


PAUSES = {
    "tests/integration/test_log.py": (1, "what should wait is given the time in which it would have been wrong"),
    "tests/integration/test_projection.py": (
        2,
        "a writer at a pace; a halted partition is given time to go on wrongly",
    ),
}
"""Files in which so many pauses are not waits for a condition, with the reason."""
ASSERT_BY_NOT_RAISING = {"test_valid_business_ids", "test_a_made_rf_reference_is_valid"}
"""Tests of checks that raise on what is wrong: to return is the assertion."""


def commits(path: Path) -> list[ast.Call]:
    """``anything.commit()``, which is not the ``commit(key, document)`` of the evidence."""
    return [call for call in calls(path, "commit") if isinstance(call.func, ast.Attribute)]


def product() -> list[Path]:
    return [path for path in files("schemas", "services", "deploy") if "migrations" not in path.parts]


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{path}:{each.lineno} {each.name}"
        for path in files()
        for each in functions(path)
        if (each.end_lineno or 0) - each.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_files_fit_in_the_head_or_say_why_not() -> None:
    over = {str(path) for path in product() if lines(path) > FILE_LINES_MAX}
    assert over - LONG_FILES.keys() == set(), "split it, or give a reason"
    assert {name for name in LONG_FILES if name not in over} == set(), "no reason is needed any more"


def test_commits_happen_in_one_place() -> None:
    found = {str(path) for path in files("schemas", "services") for _ in commits(path)}
    assert found == COMMITS.keys()


def test_nobody_begins_a_transaction_of_its_own() -> None:
    """``AUTOCOMMIT`` and ``COMMIT`` as a statement would go round the one place."""
    found = [
        f"{path}:{node.lineno}"
        for path in files("services")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.strip().upper() in {"COMMIT", "AUTOCOMMIT", "BEGIN"}
    ]
    assert found == []


def test_tests_wait_for_conditions_and_never_for_time() -> None:
    found = []
    for path in files("tests"):
        if path.parts[1] in {"load", "simulation"}:
            continue  # They make time pass on purpose: load at a pace, crashes at a moment.
        waiting = {id(call) for each in functions(path) if _waits(each) for call in ast.walk(each)}
        pauses = [call for call in calls(path, "sleep") if id(call) not in waiting and not _yields(call)]
        found += [f"{path}:{call.lineno}" for call in pauses[PAUSES.get(str(path), (0, ""))[0] :]]
    assert found == []


def _waits(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A loop with a deadline around its pause."""
    text = ast.unparse(function)
    return any(isinstance(each, ast.While | ast.For) for each in ast.walk(function)) and "deadline" in text


def _yields(call: ast.Call) -> bool:
    """``asyncio.sleep(0)`` lets others run and waits for nothing."""
    return [ast.unparse(each) for each in call.args] == ["0"]


def test_every_test_asserts() -> None:
    """No test asserts nothing: by ``assert``, by ``raises``, or through a helper that does."""
    helpers: set[str] = set()
    for _ in range(2):  # A helper may assert through another.
        helpers |= {
            each.name for path in files("tests", "deploy") for each in functions(path) if _asserts(each, helpers)
        }
    silent = [
        f"{path}:{each.lineno} {each.name}"
        for path in files("tests")
        for each in functions(path)
        if path.name.startswith("test_")
        and each.name.startswith("test_")
        and not _asserts(each, helpers)
        and each.name not in ASSERT_BY_NOT_RAISING
    ]
    assert silent == []


def _asserts(function: ast.FunctionDef | ast.AsyncFunctionDef, helpers: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert | ast.Raise):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in {"raises", "fail"} or name in helpers or name.startswith(("assert_", "expect")):
                return True
    return False
