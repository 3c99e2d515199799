"""Files in, a verification out, said to a person. The only module here that reads files named by others.

Laws: no network, no database, no clock; every input has a limit; text that came from a file is printed with its
control characters made harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from services.chassis.evidence.canonical import BadJson, strict_object
from services.chassis.evidence.checks import Check, Verification
from services.chassis.evidence.manifest import verify_manifest
from services.chassis.evidence.receipt import verify_receipt
from services.chassis.evidence.signing import BadNote, PublicKey, parse_key_list
from services.chassis.evidence.texts import CHECK_NAMES, FACTS, REASONS, STATUSES, VERDICTS, Lang, say

RECEIPT_BYTES_MAX = 4 * 1024 * 1024
MANIFEST_BYTES_MAX = 64 * 1024
KEYS_BYTES_MAX = 64 * 1024
DOCUMENT_BYTES_MAX = 128 * 1024 * 1024
ENTRY_BYTES_MAX = 1024 * 1024
ENTRIES_MAX = 1_000_000


class BadInput(Exception):
    """A file that cannot be judged at all: `code` is a key of `texts.REASONS`."""

    def __init__(self, code: str, path: Path, detail: str = "") -> None:
        super().__init__(f"{path}: {code} {detail}")
        self.code = code
        self.path = path
        self.detail = detail


def verify_receipt_file(receipt: Path, keys: Path, document: Path | None) -> Verification:
    """Verify a receipt file. Raises BadInput."""
    content = read_limited(document, DOCUMENT_BYTES_MAX) if document else None
    return verify_receipt(_read_object(receipt, RECEIPT_BYTES_MAX), _read_keys(keys), content)


def verify_manifest_file(manifest: Path, keys: Path, entries: Path | None, previous: Path | None) -> Verification:
    """Verify a manifest file; `entries` holds one copy per line, byte for byte. Raises BadInput."""
    stated, known = _read_object(manifest, MANIFEST_BYTES_MAX), _read_keys(keys)
    before = _read_object(previous, MANIFEST_BYTES_MAX) if previous else None
    if entries is None:
        return verify_manifest(stated, known, None, before)
    try:
        with entries.open("rb") as file:
            return verify_manifest(stated, known, _lines(file, entries), before)
    except OSError as error:
        raise BadInput("unreadable", entries, error.strerror or "") from error


def read_limited(path: Path, bytes_max: int) -> bytes:
    """The bytes of a file that is not larger than the limit. Raises BadInput."""
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise BadInput("unreadable", path, error.strerror or "") from error
    if len(content) > bytes_max:
        raise BadInput("too_large", path, f"> {bytes_max}")
    return content


def _read_object(path: Path, bytes_max: int) -> dict[str, object]:
    try:
        return strict_object(read_limited(path, bytes_max))
    except BadJson as error:
        raise BadInput("not_json", path, str(error)) from error


def _read_keys(path: Path) -> tuple[PublicKey, ...]:
    try:
        return parse_key_list(_read_object(path, KEYS_BYTES_MAX))
    except BadNote as error:
        raise BadInput("bad_keys", path, str(error)) from error


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    for number in range(1, ENTRIES_MAX + 2):
        line = file.readline(ENTRY_BYTES_MAX + 2)
        if not line:
            return
        if len(line) > ENTRY_BYTES_MAX + 1 or number > ENTRIES_MAX:
            raise BadInput("too_large", path, f"{number}")
        yield line.removesuffix(b"\n")


def as_json(verification: Verification) -> dict[str, object]:
    """The outcome for programs."""
    checks = [
        {"name": check.name, "status": check.status, "code": check.code or None, "detail": check.detail or None}
        for check in verification.checks
    ]
    return {"ok": verification.ok, "checks": checks, "statement": verification.statement}


def as_text(kind: str, verification: Verification, lang: Lang) -> str:
    """The outcome for people: the verdict, a line per check, and what the statement says if all holds."""
    lines = [say(VERDICTS, f"{kind}_{'ok' if verification.ok else 'refused'}", lang)]
    lines += [_check_line(check, lang) for check in verification.checks]
    if verification.ok and verification.statement is not None:
        lines += ["", *_facts(kind, verification.statement, lang)]
    return "\n".join(lines)


def bad_input_text(error: BadInput, lang: Lang) -> str:
    """Why a file could not be judged."""
    return harmless(f"{error.path}: {say(REASONS, error.code, lang)} ({error.detail})")


def harmless(text: str) -> str:
    """Text from a file without what could steer a terminal or break an output encoding."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def _check_line(check: Check, lang: Lang) -> str:
    line = f"  {say(CHECK_NAMES, check.name, lang)}: {say(STATUSES, check.status, lang)}"
    reason = f" – {say(REASONS, check.code, lang)}" if check.code else ""
    detail = f" ({harmless(check.detail)})" if check.detail else ""
    return line + reason + detail


def _facts(kind: str, statement: Mapping[str, object], lang: Lang) -> list[str]:
    facts = _receipt_facts(statement) if kind == "receipt" else _manifest_facts(statement)
    none = say(FACTS, "none", lang)
    lines = [f"  {say(FACTS, key, lang)}: {none if value is None else harmless(str(value))}" for key, value in facts]
    return lines + ([say(VERDICTS, "synthetic", lang)] if statement.get("synthetic") else [])


def _receipt_facts(statement: Mapping[str, object]) -> list[tuple[str, object]]:
    clocks, document = statement["clocks"], statement["document"]
    assert isinstance(clocks, Mapping)
    assert isinstance(document, Mapping)
    return [
        ("document_id", document["id"]),
        ("authority_id", statement["authority_id"]),
        ("service_point_id", statement["service_point_id"]),
        *((clock, clocks.get(clock)) for clock in ("occurred", "recorded", "sealed", "arrived")),
        ("delay_seconds", statement["delay_seconds"]),
        ("agreement", _agreement(statement["agreement"])),
        ("verdict", statement["verdict"]),
    ]


def _agreement(agreement: object) -> str | None:
    return f"{agreement['id']}, {agreement['version']}" if isinstance(agreement, Mapping) else None


def _manifest_facts(statement: Mapping[str, object]) -> list[tuple[str, object]]:
    numbers = f"{statement['first']} … {statement['last']}, {statement['count']}"
    return [("feed", statement["feed"]), ("day_of", statement["day"]), ("range", numbers)]
