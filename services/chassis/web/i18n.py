"""Messages in Finnish, Swedish and English.

The scheme: every package has its own ``locales/fi.po``, ``sv.po`` and ``en.po``; a service's pages see the shell's
messages and their own, merged when the process starts (no compile step). A msgid is a dotted key
(``invoice.total``), so that codes can be translated as they come: ``t("task." + code)``. Placeholders are
``{name}``; plural messages use ``msgid_plural`` equal to the msgid and the placeholder ``{n}``.

Invariant (tests/unit/test_web_i18n.py): the three catalogues of a package hold the same keys and placeholders,
nothing is fuzzy, and every key that code or a template names exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

Language = Literal["fi", "sv", "en"]
LANGUAGES: tuple[Language, ...] = ("fi", "sv", "en")
DEFAULT: Language = "fi"
LANGUAGE_NAMES = {"fi": "Suomeksi", "sv": "På svenska", "en": "In English"}

SHELL_LOCALES = Path(__file__).parent / "locales"


class MissingMessage(LookupError):
    """A key without a translation: raised in tests and development, never shown to a person."""


@dataclass(frozen=True, slots=True)
class Messages:
    """One language's messages. ``strict`` raises on a miss; otherwise the English text or the key is shown."""

    language: Language
    texts: Mapping[str, str | tuple[str, ...]]
    fallback: Mapping[str, str | tuple[str, ...]]
    strict: bool

    def text(self, key: str, /, **values: object) -> str:
        """The message ``key`` with its placeholders filled. Plain text: the template escapes it."""
        found = self._find(key)
        message = found if isinstance(found, str) else found[-1]
        return message.format_map(values) if values else message

    def plural(self, key: str, n: int, /, **values: object) -> str:
        """The form of ``key`` for ``n`` things; ``{n}`` is ``n`` unless a formatted ``n`` is given."""
        found = self._find(key)
        forms = (found,) if isinstance(found, str) else found
        message = forms[0] if abs(n) == 1 else forms[-1]
        return message.format_map({"n": n, **values})

    def has(self, key: str) -> bool:
        """Whether the language has the key itself, without the fallback."""
        return key in self.texts

    def _find(self, key: str) -> str | tuple[str, ...]:
        found = self.texts.get(key)
        if found is not None:
            return found
        if self.strict:
            raise MissingMessage(f"{key!r} has no text in {self.language!r}")
        return self.fallback.get(key, key)


def load_catalogue(path: Path) -> Catalog:
    """The parsed .po file."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def texts_of(catalogue: Catalog) -> dict[str, str | tuple[str, ...]]:
    """Key → text, or key → plural forms. Untranslated entries are left out, so that they count as missing."""
    texts: dict[str, str | tuple[str, ...]] = {}
    for message in catalogue:
        key = message.id[0] if isinstance(message.id, tuple | list) else message.id
        forms = message.string
        if key and forms and not message.fuzzy:
            texts[key] = tuple(forms) if isinstance(forms, tuple | list) else forms
    return texts


@cache
def load_messages(service_locales: Path | None, *, strict: bool) -> dict[str, Messages]:
    """The shell's messages and a service's, per language.

    Raises ValueError when a service redefines one of the shell's keys: that would change pages it does not own.
    """
    merged = {language: _merged(language, service_locales) for language in LANGUAGES}
    return {language: Messages(language, merged[language], merged["en"], strict) for language in LANGUAGES}


def _merged(language: str, service_locales: Path | None) -> dict[str, str | tuple[str, ...]]:
    shell = texts_of(load_catalogue(SHELL_LOCALES / f"{language}.po"))
    path = service_locales / f"{language}.po" if service_locales else None
    own = texts_of(load_catalogue(path)) if path and path.exists() else {}
    if clash := shell.keys() & own.keys():
        raise ValueError(f"{path} redefines keys of the shell: {sorted(clash)}")
    return {**shell, **own}


def choose_language(query: str | None, cookie: str | None, accept: str | None) -> Language:
    """``?lang=`` first, then the cookie, then Accept-Language by its weights, else Finnish."""
    for wanted in (query, cookie):
        for language in LANGUAGES:
            if wanted == language:
                return language
    for tag in _by_weight(accept or ""):
        for language in LANGUAGES:
            if tag.split("-")[0].lower() == language:
                return language
    return DEFAULT


def _by_weight(accept: str) -> list[str]:
    weighted = []
    for part in accept.split(",")[:20]:
        tag, _, parameters = part.strip().partition(";")
        weight = parameters.replace(" ", "").removeprefix("q=") if parameters else "1"
        try:
            weighted.append((float(weight), tag))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighted, key=lambda pair: -pair[0]) if weight > 0]
