"""What the demonstration says and how it counts: three languages, numbers as they are written in each."""

from __future__ import annotations

import datetime as dt
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

LANGUAGES = ("fi", "sv", "en")
_TEXTS = tomllib.loads((Path(__file__).parent / "texts.toml").read_text(encoding="utf-8"))
_SPACE = "\N{NARROW NO-BREAK SPACE}"


class Teller:
    """Prints the story in one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def text(self, key: str, **values: Any) -> str:
        """A message with its values written as the language writes them. Raises KeyError for an unknown key."""
        return str(_TEXTS[key][self.language]).format(**{name: self.written(value) for name, value in values.items()})

    def written(self, value: Any) -> str:
        """Groups of three, a decimal comma where the language has one, dates as people write them."""
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            text = f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
            return text.replace(",", _SPACE).replace(".", "." if self.language == "en" else ",")
        if isinstance(value, dt.datetime):
            return f"{self.written(value.date())} {value:%H.%M}" if self.language != "en" else f"{value:%d %b %Y %H:%M}"
        if isinstance(value, dt.date):
            return f"{value:%d %b %Y}" if self.language == "en" else f"{value.day}.{value.month}.{value.year}"
        return str(value)

    def say(self, key: str, **values: Any) -> None:
        print(self.text(key, **values), flush=True)

    def proved(self, key: str, **values: Any) -> None:
        """A proof that held."""
        print(f"       ✓ {self.text(key, **values)}", flush=True)

    def refused(self, reason: str) -> None:
        """Something that did not hold."""
        print(f"       ✗ {self.text('not_held', reason=reason)}", flush=True)


def short(digest: bytes | str) -> str:
    """The beginning of a hash, enough to compare by eye."""
    text = digest.hex() if isinstance(digest, bytes) else digest
    return f"{text[:8]}…"
