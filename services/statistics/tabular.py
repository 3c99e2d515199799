"""Answers as CSV (RFC 4180): UTF-8, a header, CRLF; safe to open in a spreadsheet.

What was not recorded is an empty field, zero is ``0``. A text that a spreadsheet would take for a formula is given an
apostrophe before it; numbers are left as they are, also negative ones.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """The whole table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_field(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _field(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
