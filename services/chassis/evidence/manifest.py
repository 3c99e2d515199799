"""The manifest of one feed for one Helsinki day of recordedtime: how an authority proves that nothing is missing.

A manifest is one JSON object. Its plain fields are there to be read; `statement` is the exact text that was
signed and must say the same:

    feed       whose copies, as their CloudEvents source without the first slash
    day        the Helsinki date
    first, last, count   the sequence numbers of that day; an empty day has first = last + 1 and count 0, so that
               `first` always follows the `last` of the day before
    root       the RFC 9162 root of the whole feed from sequence 1 to `last`
    before     the roots of the perfect subtrees of sequences 1 to first − 1, the largest first
    statement, key_id, signature   as in a receipt, over "apudiaari manifest v1\\n" ‖ statement

The root covers the feed from its beginning, so a manifest also vouches for all days before it; `before` lets the
holder of one day's copies compute that root without the rest, and ties it to the manifest of the day before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from services.chassis.evidence.canonical import BadJson, canonical_json, strict_object
from services.chassis.evidence.checks import (
    Check,
    Failed,
    Verification,
    all_left_out,
    exact_keys,
    hash_field,
    hash_list,
    int_field,
    run_check,
    text_field,
)
from services.chassis.evidence.merkle import Frontier, leaf_hash
from services.chassis.evidence.signing import PublicKey, Sign, sign_statement, verify_statement

KIND = "manifest"
TYPE = "fi.yhteispalvelu.feed-manifest.v1"
CHECKS = ("shape", "signature", "numbers", "sequence", "day", "root", "chain")
HELSINKI = ZoneInfo("Europe/Helsinki")

_SAID = ("feed", "day", "first", "last", "count", "root", "before")
_FIELDS = frozenset({*_SAID, "statement", "key_id", "signature"})


def build_manifest(
    feed: str, day: dt.date, before: Frontier, after: Frontier, key_id: str, sign: Sign
) -> dict[str, object]:
    """The signed manifest of a day, from the feed's tree before the day's first copy and after its last.

    Raises ValueError if the tree shrank.
    """
    if after.size < before.size or (after.size == before.size and after != before):
        raise ValueError("the tree after the day does not continue the tree before it")
    said: dict[str, object] = {
        "feed": feed,
        "day": day.isoformat(),
        "first": before.size + 1,
        "last": after.size,
        "count": after.size - before.size,
        "root": after.root().hex(),
        "before": [node.hex() for node in before.hashes],
    }
    text = canonical_json({**said, "type": TYPE}).decode()
    return {**said, "statement": text, "key_id": key_id, "signature": sign_statement(KIND, text, sign)}


@dataclass(frozen=True, slots=True)
class _Manifest:
    feed: str
    day: dt.date
    first: int
    last: int
    count: int
    root: bytes
    before: list[bytes]


@dataclass(slots=True)
class _Copies:
    """What was found in the authority's own copies; a failure is kept until its check is made."""

    frontier: Frontier
    out_of_sequence: Failed | None = None
    out_of_day: Failed | None = None


def verify_manifest(
    manifest: Mapping[str, object],
    public_keys: Iterable[PublicKey],
    entries: Iterable[bytes] | None = None,
    previous: Mapping[str, object] | None = None,
) -> Verification:
    """Check a manifest against the authority's own copies of that day, in their order and byte for byte.

    Without `entries` the sequence, the day and the root are not checked; `previous`, the manifest of the day
    before, shows that no day was left out or rewritten. Never raises for a bad manifest.
    """
    keys = tuple(public_keys)
    try:
        stated = _read(manifest)
    except (Failed, BadJson) as error:
        return all_left_out(CHECKS, "shape", error if isinstance(error, Failed) else Failed("shape", str(error)))
    checks = [
        Check("shape", "ok"),
        run_check("signature", lambda: _check_signature(manifest, stated, keys)),
        run_check("numbers", lambda: _check_numbers(stated)),
    ]
    checks += _check_copies(stated, entries if checks[-1].status == "ok" else None)
    checks.append(
        run_check("chain", lambda: _check_chain(stated, previous, keys))
        if previous is not None
        else Check("chain", "not_checked", "no_previous")
    )
    signed = checks[1].status == "ok"
    return Verification(tuple(checks), strict_object(str(manifest["statement"])) if signed else None)


def _read(manifest: Mapping[str, object]) -> _Manifest:
    """The manifest as it was signed. Raises Failed or BadJson unless the plain fields say the same."""
    exact_keys(manifest, _FIELDS, "manifest")
    statement = strict_object(text_field(manifest, "statement"))
    exact_keys(statement, frozenset({*_SAID, "type"}), "statement")
    if statement["type"] != TYPE:
        raise Failed("shape", "type")
    read, plain = _typed(statement), _typed(manifest)
    if read != plain:
        raise Failed("fields_differ")
    return read


def _typed(holder: Mapping[str, object]) -> _Manifest:
    day = text_field(holder, "day")
    try:
        date = dt.date.fromisoformat(day)
    except ValueError as error:
        raise Failed("shape", "day is not a date") from error
    if date.isoformat() != day:
        raise Failed("shape", "day is not written as YYYY-MM-DD")
    first, last, count = (int_field(holder, key) for key in ("first", "last", "count"))
    root, before = hash_field(holder, "root"), hash_list(holder["before"], "before")
    return _Manifest(text_field(holder, "feed"), date, first, last, count, root, before)


def _check_signature(manifest: Mapping[str, object], stated: _Manifest, keys: Sequence[PublicKey]) -> None:
    text, key_id, signature = (text_field(manifest, key) for key in ("statement", "key_id", "signature"))
    signer = verify_statement(KIND, text, key_id, signature, keys)
    if not signer.speaks_for(stated.feed):
        raise Failed("wrong_signer", f"{signer.key_id} may not speak for {stated.feed}")


def _check_numbers(stated: _Manifest) -> None:
    if stated.first < 1 or stated.count != stated.last - stated.first + 1:
        raise Failed("numbers", f"{stated.first} … {stated.last}, {stated.count}")
    if (stated.first - 1).bit_count() != len(stated.before):
        raise Failed("numbers", f"before: {len(stated.before)} subtrees do not make {stated.first - 1} copies")
    if stated.count == 0 and _tree_before(stated).root() != stated.root:
        raise Failed("root_differs")


def _check_copies(stated: _Manifest, entries: Iterable[bytes] | None) -> list[Check]:
    if entries is None:
        return [Check(name, "not_checked", "no_entries") for name in ("sequence", "day", "root")]
    copies = _fold(stated, entries)
    return [
        run_check("sequence", partial(_check_sequence, stated, copies)),
        run_check("day", partial(_raise_kept, copies.out_of_day)),
        run_check("root", partial(_check_root, stated, copies)),
    ]


def _fold(stated: _Manifest, entries: Iterable[bytes]) -> _Copies:
    copies, leaves, expected = _Copies(_tree_before(stated)), [], stated.first
    for entry in entries:
        leaves.append(leaf_hash(entry))
        try:
            _check_entry(entry, stated, expected)
        except Failed as error:
            if error.code == "wrong_day":
                copies.out_of_day = copies.out_of_day or error
            else:
                copies.out_of_sequence = copies.out_of_sequence or error
        expected += 1
    copies.frontier = copies.frontier.extend(leaves).frontier
    return copies


def _check_entry(entry: bytes, stated: _Manifest, expected: int) -> None:
    """A copy belongs to this feed, has the next sequence, and was recorded on this day."""
    try:
        copy = strict_object(entry)
        recorded = dt.datetime.fromisoformat(text_field(copy, "recordedtime"))
        source, sequence = text_field(copy, "source"), text_field(copy, "position")
    except ValueError as error:
        raise Failed("entry_unreadable", f"{expected}: {error}"[:200]) from error
    if source != "/" + stated.feed:
        raise Failed("wrong_feed", f"{expected}: {source[:100]}")
    if sequence != str(expected):
        raise Failed("gap", f"{expected}, {sequence[:20]}")
    if recorded.tzinfo is None or recorded.astimezone(HELSINKI).date() != stated.day:
        raise Failed("wrong_day", f"{expected}: {copy['recordedtime']}")


def _check_sequence(stated: _Manifest, copies: _Copies) -> None:
    _raise_kept(copies.out_of_sequence)
    if copies.frontier.size != stated.last:
        raise Failed("count_differs", f"{copies.frontier.size - stated.first + 1}, {stated.count}")


def _check_root(stated: _Manifest, copies: _Copies) -> None:
    if copies.frontier.root() != stated.root:
        raise Failed("root_differs")


def _raise_kept(failure: Failed | None) -> None:
    if failure is not None:
        raise failure


def _check_chain(stated: _Manifest, previous: Mapping[str, object], keys: Sequence[PublicKey]) -> None:
    """The day before ends where this day begins, and nothing before it was rewritten."""
    try:
        before = _read(previous)
    except BadJson as error:
        raise Failed("shape", str(error)) from error
    _check_signature(previous, before, keys)
    _check_numbers(before)
    if before.feed != stated.feed or before.day + dt.timedelta(days=1) != stated.day:
        raise Failed("not_the_day_before", f"{before.feed} {before.day}")
    if before.last != stated.first - 1 or before.root != _tree_before(stated).root():
        raise Failed("chain_broken", f"{before.last}, {stated.first}")


def _tree_before(stated: _Manifest) -> Frontier:
    try:
        return Frontier.of(stated.first - 1, stated.before)
    except ValueError as error:
        raise Failed("numbers", str(error)) from error
