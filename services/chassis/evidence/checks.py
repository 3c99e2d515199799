"""The outcome of a verification: named checks, each held, failed or left out, with a reason that has a code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.chassis.evidence.signing import BadNote

Status = Literal["ok", "failed", "not_checked"]

_HASH = re.compile(r"[0-9a-f]{64}")


class Failed(ValueError):
    """One check failed: `code` is translated for people, `detail` says what was found."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Check:
    """One named check. `code` is empty when it held; otherwise it is a key of `texts.REASONS`."""

    name: str
    status: Status
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """All checks, always the same names in the same order, and the statement once its signature holds."""

    checks: tuple[Check, ...]
    statement: Mapping[str, object] | None = None

    @property
    def ok(self) -> bool:
        """Nothing failed, and something was checked."""
        statuses = {check.status for check in self.checks}
        return "failed" not in statuses and "ok" in statuses

    def check(self, name: str) -> Check:
        return next(check for check in self.checks if check.name == name)


def all_left_out(names: Sequence[str], failed: str, reason: Failed) -> Verification:
    """One check failed before the others could be made."""
    return Verification(
        tuple(
            Check(name, "failed", reason.code, reason.detail)
            if name == failed
            else Check(name, "not_checked", "not_reached")
            for name in names
        )
    )


def run_check(name: str, check: Callable[[], None]) -> Check:
    """Make one check and keep why it failed."""
    try:
        check()
    except Failed as error:
        return Check(name, "failed", error.code, error.detail)
    except BadNote as error:
        return Check(name, "failed", "bad_note", str(error))
    return Check(name, "ok")


def hash_field(holder: Mapping[str, object], key: str) -> bytes:
    """32 bytes written as 64 lower-case hexadecimal digits. Raises Failed."""
    return hash_from_hex(holder.get(key), key)


def hash_from_hex(value: object, where: str) -> bytes:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise Failed("shape", f"{where} is not 64 lower-case hexadecimal digits")
    return bytes.fromhex(value)


def hash_list(value: object, where: str) -> list[bytes]:
    """A list of hashes. Raises Failed."""
    if not isinstance(value, list):
        raise Failed("shape", f"{where} is not a list")
    return [hash_from_hex(item, f"{where}/{place}") for place, item in enumerate(value)]


def int_field(holder: Mapping[str, object], key: str) -> int:
    """A whole number from 0; true and false are not numbers. Raises Failed."""
    value = holder.get(key)
    if type(value) is not int or value < 0:
        raise Failed("shape", f"{key} is not a whole number from 0")
    return value


def text_field(holder: Mapping[str, object], key: str) -> str:
    """A text that is not empty. Raises Failed."""
    value = holder.get(key)
    if not isinstance(value, str) or not value:
        raise Failed("shape", f"{key} is not a text")
    return value


def object_field(holder: Mapping[str, object], key: str) -> Mapping[str, object]:
    """An object. Raises Failed."""
    value = holder.get(key)
    if not isinstance(value, Mapping):
        raise Failed("shape", f"{key} is not an object")
    return value


def exact_keys(holder: Mapping[str, object], keys: frozenset[str], where: str) -> None:
    """Nothing is missing and nothing unsigned rides along. Raises Failed."""
    if holder.keys() != keys:
        odd = sorted(keys.symmetric_difference(holder.keys()))
        raise Failed("shape", f"{where}: fields missing or too many: {', '.join(odd)[:200]}")
