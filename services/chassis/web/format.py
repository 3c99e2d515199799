"""Dates, times, money and numbers as people in Finland read them, and the alphabet they sort by.

Finnish: ``24.11.2026``, ``16.14``, ``1 234,56 €``, minus U+2212, no-break spaces. Swedish (in Finland) differs in
names of months and days only; English keeps the day-first date and the euro sign behind, so that a figure reads the
same on every language's page, but uses a colon in times and a decimal point.
Sources: SFS 4175, Kielitoimiston ohjepankki, Svenska skrivregler, EU Interinstitutional style guide.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date

HELSINKI = ZoneInfo("Europe/Helsinki")
NO_BREAK_SPACE = "\u00a0"
MINUS = "\u2212"
DASH = "\u2013"

_BABEL = {"fi": "fi", "sv": "sv_FI", "en": "en_GB"}


Day = date | datetime | str | None
Month = date | str | None
Moment = datetime | str | None


@dataclass(frozen=True, slots=True)
class Formatter:
    """Formats for one language. Every method answers an en dash for ``None``, so that tables stay readable."""

    language: str

    def date(self, value: Day) -> str:
        """``24.11.2026``. A datetime is turned into the Helsinki day first."""
        day = _day(value)
        return DASH if day is None else f"{day.day}.{day.month}.{day.year}"

    def time(self, value: Moment) -> str:
        """``16.14`` in Helsinki; English ``16:14``."""
        moment = _moment(value)
        separator = ":" if self.language == "en" else "."
        return DASH if moment is None else f"{moment.hour}{separator}{moment.minute:02d}"

    def moment(self, value: Moment) -> str:
        """Date and time: ``24.11.2026 16.14``."""
        return DASH if value is None else f"{self.date(value)}{NO_BREAK_SPACE}{self.time(value)}"

    def long_date(self, value: Day) -> str:
        """With the weekday: ``tiistai 24. marraskuuta 2026``."""
        day = _day(value)
        if day is None:
            return DASH
        pattern = {"fi": "cccc d. MMMM y", "sv": "EEEE d MMMM y", "en": "EEEE d MMMM y"}[self.language]
        return format_date(day, pattern, locale=_BABEL[self.language])

    def month(self, value: Month) -> str:
        """A period ``2026-10`` or a day in it: ``lokakuu 2026``, ``oktober 2026``, ``October 2026``."""
        day = _month(value)
        return DASH if day is None else format_date(day, "LLLL y", locale=_BABEL[self.language])

    def short_month(self, value: Month) -> str:
        """For axes: ``10/2026`` in every language."""
        day = _month(value)
        return DASH if day is None else f"{day.month}/{day.year}"

    def weekday(self, number: int, *, short: bool = True) -> str:
        """Monday is 1: ``ma``, ``mån``, ``Mon``; long ``maanantai``."""
        pattern = "ccc" if short else "cccc"
        return format_date(date(2024, 1, number), pattern, locale=_BABEL[self.language]).rstrip(".")

    def number(self, value: int | float | Decimal | str | None, decimals: int = 0) -> str:
        """``12 345``, ``12,5``; rounded half up to ``decimals``."""
        if value is None:
            return DASH
        rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        digits = f"{abs(rounded):,.{decimals}f}".replace(",", NO_BREAK_SPACE)
        sign = MINUS if rounded < 0 else ""
        return sign + (digits if self.language == "en" else digits.replace(".", ","))

    def money(self, value: Decimal | str | int | None) -> str:
        """Euros: ``1 234,56 €``. A string is the wire form ``"1234.56"``; more than cents is an error upstream."""
        return DASH if value is None else f"{self.number(value, 2)}{NO_BREAK_SPACE}€"

    def percent(self, fraction: float | Decimal | None, decimals: int = 0) -> str:
        """0.125 → ``12,5 %``."""
        if fraction is None:
            return DASH
        return f"{self.number(Decimal(str(fraction)) * 100, decimals)}{NO_BREAK_SPACE}%"

    def minutes(self, value: int | None) -> str:
        """``1 h 5 min``."""
        if value is None:
            return DASH
        hours, rest = divmod(value, 60)
        parts = [f"{hours}{NO_BREAK_SPACE}h"] if hours else []
        parts += [f"{rest}{NO_BREAK_SPACE}min"] if rest or not hours else []
        return NO_BREAK_SPACE.join(parts)

    def sort_key(self, text: str) -> tuple[tuple[int, ...], ...]:
        """Key for names in the alphabet of the language."""
        return sort_key(text)

    def in_order(self, items: Iterable[str]) -> list[str]:
        """Names in alphabetical order."""
        return sorted(items, key=sort_key)


def _day(value: date | datetime | str | None) -> date | None:
    if isinstance(value, str):
        return _day(datetime.fromisoformat(value)) if len(value) > 10 else date.fromisoformat(value)
    if isinstance(value, datetime):
        return value.astimezone(HELSINKI).date()
    return value


def _moment(value: datetime | str | None) -> datetime | None:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return None if moment is None else moment.astimezone(HELSINKI)


def _month(value: date | str | None) -> date | None:
    return date.fromisoformat(value[:7] + "-01") if isinstance(value, str) else value


# Finnish and Finland-Swedish order: … y z å ä ö; w sorts after v, ü as y, and other marks only break ties
# (SFS 4600:2000 and its European revision). The PostgreSQL of the default run has no ICU, so names sort here.
_PLACE = {letter: place for place, letter in enumerate("abcdefghijklmnopqrstuvwxyzåäö", start=100)}
_ALIKE = {"ü": "y", "æ": "ä", "ø": "ö", "ß": "ss", "đ": "d", "ŋ": "n", "ŧ": "t", "ʒ": "z", "ð": "d", "þ": "th"}
_DIGIT_PLACE = 50


def sort_key(text: str) -> tuple[tuple[int, ...], ...]:
    """Key that sorts å, ä, ö last and number parts by size; case and accents only break ties."""
    folded = unicodedata.normalize("NFC", text).casefold()
    primary: list[int] = []
    digits = ""
    for character in [*folded, ""]:
        if character.isdecimal():
            digits += character
            continue
        if digits:
            primary += [_DIGIT_PLACE, int(digits)]
            digits = ""
        primary += [_PLACE.get(base, 1) for base in _base(character)]
    return tuple(primary), tuple(map(ord, folded)), tuple(map(ord, text))


def _base(character: str) -> str:
    if character in _PLACE:
        return character
    if character in _ALIKE:
        return _ALIKE[character]
    return unicodedata.normalize("NFD", character)[:1]
