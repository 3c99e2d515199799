"""What is said of a document in an immutable log, and how private values are kept beside it.

- A commitment is HMAC-SHA-256 under a random key of 32 bytes. Whoever has the receipt has the key and can show
  that this document was meant; when the key is destroyed nobody can guess the document from the log.
- Private values are sealed with AES-256-GCM under a key per person; destroying that key erases them. The place
  where a value belongs (table, row, column) is its associated data, so that it cannot be moved to another.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.chassis.evidence.canonical import canonical_json

KEY_BYTES = 32
_PAPER_FORM = b"apudiaari paper-receipt form v1\n"
_SEAL_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16


class SealBroken(ValueError):
    """The sealed value was altered, belongs elsewhere, or the key is not its own."""


def new_key() -> bytes:
    """A random key, for one commitment or for one person."""
    return secrets.token_bytes(KEY_BYTES)


def commit(key: bytes, document: bytes) -> str:
    """The commitment to a document, in lower-case hexadecimal."""
    return hmac.new(_checked(key), document, "sha256").hexdigest()


def opens(commitment: str, key: bytes, document: bytes) -> bool:
    """Whether this key and this document make the commitment."""
    return hmac.compare_digest(commit(key, document).encode(), commitment.encode())


def paper_form_bytes(form: Mapping[str, object]) -> bytes:
    """The bytes committed to when the paper itself is not stored: a description of it.

    The same fields always give the same bytes: texts are composed (Unicode NFC) and stripped at the ends, keys
    are ordered. The first line keeps a form from ever being the bytes of a file. Raises TypeError or ValueError
    for what canonical JSON cannot carry.
    """
    return _PAPER_FORM + canonical_json({key: _tidy(value) for key, value in form.items()})


def seal(subject_key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt a private value: version byte, 12 bytes of nonce, ciphertext and tag."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _SEAL_VERSION + nonce + AESGCM(_checked(subject_key)).encrypt(nonce, plaintext, associated)


def open_sealed(subject_key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Decrypt what `seal` made with the same key and associated data. Raises SealBroken."""
    head = len(_SEAL_VERSION) + _NONCE_BYTES
    if sealed[:1] != _SEAL_VERSION or len(sealed) < head + _TAG_BYTES:
        raise SealBroken("this is not a sealed value")
    try:
        return AESGCM(_checked(subject_key)).decrypt(sealed[1:head], sealed[head:], associated)
    except InvalidTag as error:
        raise SealBroken("the sealed value was altered, moved, or sealed with another key") from error


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes")
    return key


def _tidy(value: object) -> object:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).strip()
    if isinstance(value, list | tuple):
        return [_tidy(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _tidy(item) for key, item in value.items()}
    return value
