"""Keys, notes, checkpoints and JSON: C2SP's own examples, and refusals."""

import base64
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.evidence.canonical import BadJson, canonical_json, strict_json
from services.chassis.evidence.signing import (
    BadNote,
    Checkpoint,
    format_checkpoint,
    generate_signing_key,
    key_list,
    load_signing_key,
    parse_checkpoint,
    parse_key_list,
    parse_public_key,
    sign_checkpoint,
    sign_note,
    split_note,
    verify_checkpoint,
    verify_note,
)

# The example of the Go module golang.org/x/mod/sumdb/note, from which C2SP signed-note comes.
PETER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_foreign_note_verifies_and_its_key_id_is_recomputed():
    key = parse_public_key(PETER_KEY)
    assert key.key_id == "PeterNeumann+c74f20a3"
    assert key.text == PETER_KEY
    assert verify_note(PETER_NOTE, [key]).signers == (key,)


def test_every_altered_byte_of_a_note_is_refused():
    key, note = parse_public_key(PETER_KEY), PETER_NOTE.encode()
    for place in range(len(note)):
        for bit in range(8):
            altered = bytearray(note)
            altered[place] ^= 1 << bit
            with pytest.raises((BadNote, UnicodeDecodeError)):
                verify_note(altered.decode(), [key])


def test_a_key_text_with_another_id_or_name_is_refused():
    for wrong in (PETER_KEY.replace("c74f", "c74e"), "Q" + PETER_KEY[1:], PETER_KEY[:-1], "", "a+b", "a+b+c"):
        with pytest.raises(BadNote):
            parse_public_key(wrong)


def test_keys_through_pem_file_and_key_list(tmp_path: Path):
    key = generate_signing_key("apudiaari/diary")
    (tmp_path / "key.pem").write_bytes(key.pem())
    loaded = load_signing_key(tmp_path / "key.pem", "apudiaari/diary")
    assert loaded.public == key.public
    assert parse_key_list(json.loads(json.dumps(key_list([key.public])))) == (key.public,)
    for wrong in ({}, {"keys": []}, {"keys": "x"}, {"keys": [1]}):
        with pytest.raises(BadNote):
            parse_key_list(wrong)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x00b"])
def test_names_that_a_note_cannot_carry(name: str):
    with pytest.raises(BadNote):
        generate_signing_key(name)


def test_unknown_signers_are_passed_over_and_a_wrong_known_one_is_not():
    mine, witness, stranger = (generate_signing_key(name) for name in ("log", "witness", "stranger"))
    note = sign_note("text\n\nwith an empty line\n", [mine, witness])
    assert verify_note(note, [mine.public]).signers == (mine.public,)
    assert len(verify_note(note, [witness.public, mine.public]).signers) == 2
    with pytest.raises(BadNote, match="no known key"):
        verify_note(note, [stranger.public])
    text, (own, (name, key_id, signature)) = split_note(note)
    broken = base64.b64encode(key_id + bytes([signature[0] ^ 1]) + signature[1:]).decode()
    forged = f"{text}\n— {own[0]} {base64.b64encode(own[1] + own[2]).decode()}\n— {name} {broken}\n"
    assert verify_note(forged, [mine.public]).signers == (mine.public,)
    with pytest.raises(BadNote, match="is wrong"):
        verify_note(forged, [mine.public, witness.public])


def test_a_checkpoint_says_origin_size_and_root():
    key = generate_signing_key("apudiaari/diary")
    checkpoint = Checkpoint("apudiaari/diary", 20852163, bytes(range(32)))
    assert format_checkpoint(checkpoint) == (
        "apudiaari/diary\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    )
    assert verify_checkpoint(sign_checkpoint(checkpoint, [key]), [key.public]) == checkpoint


def test_a_key_speaks_only_for_what_is_below_its_name():
    diary, billing = generate_signing_key("apudiaari/diary"), generate_signing_key("apudiaari/billing")
    for origin in ("apudiaari/diary", "apudiaari/diary/authority/kela"):
        note = sign_checkpoint(Checkpoint(origin, 1, bytes(32)), [diary])
        assert verify_checkpoint(note, [diary.public, billing.public]).origin == origin
    for origin in ("apudiaari/diaryx", "apudiaari", "apudiaari/agreements"):
        with pytest.raises(BadNote, match="speak for"):
            verify_checkpoint(sign_checkpoint(Checkpoint(origin, 1, bytes(32)), [diary]), [diary.public])


@pytest.mark.parametrize(
    "text",
    ["", "o\n1\n", "o\n01\nAA==\n", f"\n1\n{'A' * 43}=\n", f"o\n-1\n{'A' * 43}=\n", f"o\n٣\n{'A' * 43}=\n",
     f"o\n1\n{'A' * 42}B=\n", f"o\n1\n{'A' * 43}=\nextension\n", f"o\n1\n{'A' * 43}="],
)  # fmt: skip
def test_malformed_checkpoints(text: str):
    with pytest.raises(BadNote):
        parse_checkpoint(text)


def test_canonical_json_is_rfc_8785():
    """The ordering and escaping examples of RFC 8785 §3.2, without its floats."""
    value = {
        "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew", "1": "One", "\U0001f600": "Emoji",
        "\u0080": "Control", "\u00f6": "o", "text": '€$\x0f\nA\'B"\\\\"/', "n": [1, 0, -5, None, True, False],
    }  # fmt: skip
    assert canonical_json(value).decode() == (
        '{"\\r":"Carriage Return","1":"One","n":[1,0,-5,null,true,false],'
        '"text":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/","\u0080":"Control","ö":"o","€":"Euro Sign",'
        '"\U0001f600":"Emoji","\ufb33":"Hebrew"}'
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)
def test_canonical_json_reads_back_and_does_not_depend_on_order(value: object):
    made = canonical_json(value)
    assert strict_json(made) == value
    assert canonical_json(strict_json(made)) == made
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == made


@pytest.mark.parametrize("value", [1.0, Decimal("1.00"), {"a": 0.5}, {1: "a"}, b"bytes", {"a": {1}}])
def test_what_has_no_place_in_signed_json(value: object):
    with pytest.raises(TypeError):
        canonical_json(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800", {"\ud800": 1}])
def test_values_that_not_every_reader_holds(value: object):
    with pytest.raises(ValueError):
        canonical_json(value)


@pytest.mark.parametrize(
    "text",
    [b'{"a":1,"a":1}', b"1.0", b"1e3", b"NaN", b"-Infinity", b"-0", b"9007199254740992", b"1" * 5000, b"\xff",
     b'"\xed\xa0\x80"', b"", b"{} {}", b"[" * 100_000, b"\xef\xbb\xbf{}", b"'a'"],
)  # fmt: skip
def test_json_that_could_be_understood_differently(text: bytes):
    with pytest.raises(BadJson):
        strict_json(text)
