"""Catalogues are complete: same keys, same placeholders, nothing fuzzy, and every key in use exists."""

import ast
import re
from pathlib import Path

import pytest

from services.chassis.web.i18n import (
    LANGUAGES,
    SHELL_LOCALES,
    MissingMessage,
    choose_language,
    load_catalogue,
    load_messages,
    texts_of,
)

ROOT = Path(__file__).parents[2]
HOMES = sorted(
    {path.parent for path in (ROOT / "services").glob("**/locales/fi.po")} | {ROOT / "tests/unit/web_gallery/locales"}
)
CALL = re.compile(r"\b(tn?|has_text)\(\s*\"([a-z_0-9.]+)\"\s*[,)]")
CODE_CALLS = {"text", "plural"}


def texts(home: Path, language: str) -> dict[str, str | tuple[str, ...]]:
    return texts_of(load_catalogue(home / f"{language}.po"))


def placeholders(text: str | tuple[str, ...]) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", " ".join(text) if isinstance(text, tuple) else text))


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.parent.name)
def test_languages_agree(home: Path) -> None:
    finnish = texts(home, "fi")
    assert finnish
    for language in LANGUAGES:
        catalogue = load_catalogue(home / f"{language}.po")
        assert not [message.id for message in catalogue if message.id and message.fuzzy]
        own = texts(home, language)
        assert own.keys() == finnish.keys(), f"{language}: {sorted(own.keys() ^ finnish.keys())}"
        for key, text in own.items():
            assert isinstance(text, tuple) == isinstance(finnish[key], tuple), key
            assert placeholders(text) == placeholders(finnish[key]), f"{language}: {key}"
            assert all(text) if isinstance(text, tuple) else text.strip(), f"{language}: {key} is empty"


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.parent.name)
def test_every_key_in_use_exists(home: Path) -> None:
    known = texts(home, "fi").keys() | texts(SHELL_LOCALES, "fi").keys()
    missing = {key for key in used_keys(home.parent) if key not in known}
    assert not missing


def used_keys(package: Path) -> set[str]:
    """Literal keys in templates (``t("…")``) and in code (``.text(request, "…")``)."""
    found = {match[1] for path in package.glob("templates/**/*.html") for match in _template_calls(path)}
    for path in package.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CODE_CALLS:
                literals = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                found |= {text for text in literals if re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)+", text)}
    return found


def _template_calls(path: Path) -> list[tuple[str, str]]:
    return [call for call in CALL.findall(path.read_text()) if "%" not in call[1]]


def test_the_search_for_keys_finds_them() -> None:
    assert {"shell.skip", "ui.errors", "ui.shown"} <= used_keys(SHELL_LOCALES.parent)


def test_no_two_packages_define_a_key() -> None:
    for home in HOMES:
        if home != SHELL_LOCALES:
            assert load_messages(home, strict=True)


def test_a_miss_raises_in_tests_and_shows_english_or_the_key_in_production() -> None:
    with pytest.raises(MissingMessage):
        load_messages(None, strict=True)["fi"].text("no.such")
    assert load_messages(None, strict=False)["fi"].text("no.such") == "no.such"


def test_plurals() -> None:
    finnish = load_messages(None, strict=True)["fi"]
    assert finnish.plural("ui.errors", 1) == "Korjaa yksi kohta"
    assert finnish.plural("ui.errors", 3) == "Korjaa 3 kohtaa"


@pytest.mark.parametrize(
    ("query", "cookie", "accept", "chosen"),
    [
        (None, None, None, "fi"),
        ("sv", "en", "fi", "sv"),
        ("de", "en", "fi", "en"),
        (None, None, "de, sv-FI;q=0.8, en;q=0.9", "en"),
        (None, None, "sv;q=0, de", "fi"),
        (None, None, "sv;q=x,,;", "fi"),
    ],
)
def test_choice_of_language(query: str | None, cookie: str | None, accept: str | None, chosen: str) -> None:
    assert choose_language(query, cookie, accept) == chosen
