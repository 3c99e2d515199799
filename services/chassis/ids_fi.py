"""Finnish identifiers with check digits: business ids, bank references, e-invoice addresses (domain.md E.1, E.2).

Each ``check_*`` returns nothing for a valid text and raises :class:`InvalidId` with a stable code otherwise, so that an
HTTP edge can say which rule was broken. Each ``make_*`` returns a text its ``check_*`` accepts.
"""

from __future__ import annotations

import re

BUSINESS_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2)
REFERENCE_WEIGHTS = (7, 3, 1)
OVT_PREFIX = "0037"
"""ISO 6523 scheme 0216: ``0037`` and the business id without its hyphen, then up to five characters of one's own."""


class InvalidId(ValueError):
    """An identifier that cannot be right. ``code`` is stable; the message says what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def business_id_check_digit(digits: str) -> str | None:
    """The check digit for seven digits, or ``None`` where the sum leaves remainder 1: no such business id is given."""
    remainder = sum(w * int(d) for w, d in zip(BUSINESS_ID_WEIGHTS, digits, strict=True)) % 11
    return None if remainder == 1 else str((11 - remainder) % 11)


def check_business_id(text: str) -> None:
    """Raise unless ``text`` is a Y-tunnus such as ``0112038-9``."""
    if not re.fullmatch(r"[0-9]{7}-[0-9]", text, re.ASCII):
        raise InvalidId("business_id_format", "A Y-tunnus has seven digits, a hyphen and a check digit: 0112038-9.")
    if business_id_check_digit(text[:7]) != text[8]:
        raise InvalidId("business_id_check_digit", f"The check digit of Y-tunnus {text} does not fit the other digits.")


def ovt_address(business_id: str) -> str:
    """The e-invoice address of an organisation: ``003701120389`` for ``0112038-9``."""
    check_business_id(business_id)
    return OVT_PREFIX + business_id.replace("-", "")


def check_ovt_address(text: str) -> None:
    """Raise unless ``text`` is an OVT code whose business id is valid."""
    if not re.fullmatch(r"0037[0-9]{8}[0-9A-Z]{0,5}", text, re.ASCII):
        raise InvalidId(
            "ovt_format", "An OVT code is 0037, eight digits of the Y-tunnus, and at most five characters more."
        )
    check_business_id(f"{text[4:11]}-{text[11]}")


def _reference_check_digit(base: str) -> str:
    total = sum(REFERENCE_WEIGHTS[i % 3] * int(digit) for i, digit in enumerate(reversed(base)))
    return str(-total % 10)


def make_reference(base: str) -> str:
    """The national bank reference for 3–19 digits: ``1234`` gives ``12344`` (weights 7, 3, 1 from the right)."""
    if not re.fullmatch(r"[0-9]{3,19}", base, re.ASCII) or not base.strip("0"):
        raise InvalidId("reference_format", "A reference is made from 3 to 19 digits, not all zeros.")
    return base + _reference_check_digit(base)


def check_reference(text: str) -> None:
    """Raise unless ``text`` is a national bank reference of 4–20 digits without spaces."""
    if not re.fullmatch(r"[0-9]{4,20}", text, re.ASCII):
        raise InvalidId("reference_format", "A bank reference has 4 to 20 digits.")
    if _reference_check_digit(text[:-1]) != text[-1]:
        raise InvalidId("reference_check_digit", f"The check digit of reference {text} does not fit the other digits.")


def _mod97(text: str) -> int:
    """ISO 7064 MOD 97-10: letters stand for 10 to 35."""
    return int("".join(str(int(char, 36)) for char in text)) % 97


def make_rf_reference(base: str) -> str:
    """The ISO 11649 reference for 1–21 capital letters and digits: ``2348236`` gives ``RF332348236``."""
    if not re.fullmatch(r"[0-9A-Z]{1,21}", base, re.ASCII):
        raise InvalidId("rf_format", "An RF reference is made from 1 to 21 digits and capital letters.")
    return f"RF{98 - _mod97(base + 'RF00'):02d}{base}"


def check_rf_reference(text: str) -> None:
    """Raise unless ``text`` is an ISO 11649 reference without spaces."""
    if not re.fullmatch(r"RF[0-9]{2}[0-9A-Z]{1,21}", text, re.ASCII):
        raise InvalidId("rf_format", "An RF reference is RF, two check digits, and 1 to 21 digits and capital letters.")
    if _mod97(text[4:] + text[:4]) != 1:
        raise InvalidId("rf_check_digits", f"The check digits of reference {text} do not fit the rest.")
