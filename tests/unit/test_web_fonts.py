"""The web font covers what each language writes, and a machine without it still serves pages."""

import io
from pathlib import Path

import fontpkg  # type: ignore[import-untyped]
import pytest
from fontTools.ttLib import TTFont

from services.chassis.web import fonts
from services.chassis.web.format import DASH, MINUS, NO_BREAK_SPACE
from services.chassis.web.i18n import LANGUAGES, SHELL_LOCALES, load_catalogue, texts_of

LETTERS = {
    "fi": "abcdefghijklmnopqrstuvwxyzåäöšž",
    "sv": "abcdefghijklmnopqrstuvwxyzåäöéü",
    "en": "abcdefghijklmnopqrstuvwxyz",
    "se": "aábcčdđefghijklmnŋoprsštŧuvzž",
}
SIGNS = f"0123456789€%–…’”«»·←→↑↓✓✗▸▾{MINUS}{DASH}{NO_BREAK_SPACE}"


@pytest.fixture(scope="module")
def made() -> bytes:
    return fonts.make_woff2(fontpkg.path("Source Sans 3", weight=400))


@pytest.fixture(scope="module")
def covered(made: bytes) -> set[int]:
    return set(TTFont(io.BytesIO(made)).getBestCmap())


@pytest.mark.parametrize("language", LETTERS)
def test_letters_are_covered(covered: set[int], language: str) -> None:
    wanted = LETTERS[language] + LETTERS[language].upper() + SIGNS
    assert not [letter for letter in wanted if ord(letter) not in covered]


@pytest.mark.parametrize("language", LANGUAGES)
def test_messages_are_covered(covered: set[int], language: str) -> None:
    texts = texts_of(load_catalogue(SHELL_LOCALES / f"{language}.po")).values()
    written = {letter for text in texts for letter in "".join(text)}
    assert not [letter for letter in written if ord(letter) not in covered]


def test_it_is_small_variable_and_the_same_every_time(made: bytes) -> None:
    assert len(made) < 100_000
    assert [axis.axisTag for axis in TTFont(io.BytesIO(made))["fvar"].axes] == ["wght"]
    assert fonts.make_woff2(fontpkg.path("Source Sans 3", weight=400)) == made


def test_it_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APUDIAARI_CACHE_DIR", str(tmp_path))
    directory = fonts.font_directory()
    assert directory is not None
    first = (directory / "fonts" / fonts.NAME).stat().st_mtime_ns
    assert fonts.font_directory() == directory
    assert (directory / "fonts" / fonts.NAME).stat().st_mtime_ns == first


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("APUDIAARI_CACHE_DIR", str(tmp_path / "file"))
    assert fonts.font_directory() is None
