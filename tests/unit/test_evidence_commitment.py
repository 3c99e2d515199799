"""Commitments open with their key and bytes only; sealed values open in their own place only."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.evidence.canonical import canonical_json
from services.chassis.evidence.commitment import (
    SealBroken,
    commit,
    new_key,
    open_sealed,
    opens,
    paper_form_bytes,
    seal,
)


def test_rfc_4231_style_vector():
    """RFC 4231 test case 1 with its key padded by zeros to our 32 bytes, which HMAC does itself."""
    key = b"\x0b" * 20 + bytes(12)
    assert commit(key, b"Hi There") == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_a_commitment_opens_with_its_own_document_and_key_only(document: bytes, bit: int):
    key = new_key()
    made = commit(key, document)
    assert opens(made, key, document)
    assert not opens(made, new_key(), document)
    assert not opens(made, key, document + b"\x00")
    if document:
        altered = bytearray(document)
        altered[bit // 8 % len(document)] ^= 1 << bit % 8
        assert not opens(made, key, bytes(altered))


def test_the_same_form_gives_the_same_bytes_however_it_was_typed():
    form = {"kind": "application", "pages": 3, "title": "Äitiysraha", "parts": ["liite", {"n": 1}]}
    typed = {
        "title": unicodedata.normalize("NFD", " Äitiysraha "),
        "parts": ["liite ", {"n": 1}],
        "pages": 3,
        "kind": "application",
    }
    assert paper_form_bytes(form) == paper_form_bytes(typed)
    assert paper_form_bytes(form) != canonical_json(form)
    assert paper_form_bytes(form) != paper_form_bytes({**form, "pages": 4})
    with pytest.raises(TypeError):
        paper_form_bytes({"weight": 1.5})


def test_sealed_values_open_in_their_place_only():
    key, place = new_key(), b"customer/7/name"
    sealed = seal(key, b"Aino Esimerkki", place)
    assert open_sealed(key, sealed, place).decode() == "Aino Esimerkki"
    assert b"Aino" not in sealed
    assert seal(key, b"x", place) != seal(key, b"x", place)
    for wrong_key, wrong_place in ((new_key(), place), (key, b"customer/8/name")):
        with pytest.raises(SealBroken):
            open_sealed(wrong_key, sealed, wrong_place)


def test_every_altered_bit_of_a_sealed_value_is_noticed():
    key = new_key()
    sealed = seal(key, b"secret", b"place")
    for bit in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            open_sealed(key, bytes(altered), b"place")
    for cut in range(len(sealed)):
        with pytest.raises(SealBroken):
            open_sealed(key, sealed[:cut], b"place")


@pytest.mark.parametrize("key", [b"", b"short", bytes(31), bytes(33)])
def test_keys_have_32_bytes(key: bytes):
    for call in (lambda: commit(key, b""), lambda: seal(key, b"", b"")):
        with pytest.raises(ValueError):
            call()
