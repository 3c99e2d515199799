"""JSON made deterministically, and JSON read strictly.

`canonical_json` is RFC 8785 restricted to our types: no floats, integers that a double holds exactly. It is
used where bytes are *made*. Whoever verifies never makes bytes again: a signed statement travels as its exact
text and is only read.

`strict_json` refuses whatever two readers could understand differently: a key given twice, floats, NaN, −0,
bytes that are not UTF-8. What it accepts has one meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

MAX_SAFE_INTEGER = 2**53 - 1
_MAX_DIGITS = 16


class BadJson(ValueError):
    """The text is not JSON that can be understood in one way only."""


def canonical_json(value: object) -> bytes:
    """The one UTF-8 form of a value of dict, list, tuple, str, int, bool and None.

    Raises TypeError for any other type (also float and Decimal: money is a string), ValueError for an integer
    beyond ±(2^53 − 1) or text that is not Unicode.
    """
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _ordered(value: object) -> object:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError(f"{value} is beyond the integers that every JSON reader holds exactly")
        return value
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value, key=_utf16)}
    raise TypeError(f"{type(value).__name__} has no place in signed JSON; write it as text or an integer")


def _utf16(key: object) -> bytes:
    """RFC 8785 §3.2.3 orders keys by their UTF-16 code units."""
    if not isinstance(key, str):
        raise TypeError(f"a JSON key is text, not {type(key).__name__}")
    return key.encode("utf-16-be")


def strict_json(text: bytes | str) -> object:
    """Parse JSON that has one meaning. Raises BadJson."""
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        value: object = json.loads(
            decoded,
            object_pairs_hook=_unique,
            parse_float=_no_float,
            parse_int=_integer,
            parse_constant=_no_float,
        )
        decoded.encode()
        return value
    except UnicodeError as error:
        raise BadJson("the text is not UTF-8") from error
    except RecursionError as error:
        raise BadJson("the text is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise BadJson(f"line {error.lineno}, column {error.colno}: {error.msg}") from error


def strict_object(text: bytes | str) -> dict[str, object]:
    """Parse JSON whose outermost value is an object. Raises BadJson."""
    value = strict_json(text)
    if not isinstance(value, dict):
        raise BadJson("the outermost value is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("a key occurs twice in one object")
    return found


def _no_float(text: str) -> NoReturn:
    raise BadJson(f"{text[:40]} is not an integer")


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS + 1 or text == "-0" or abs(int(text)) > MAX_SAFE_INTEGER:
        raise BadJson(f"{text[:40]} is not an integer that every reader holds exactly")
    return int(text)
