"""Ed25519 keys, signed notes, checkpoints and signed statements.

- A key has a name, by which it speaks for a log: the key `apudiaari/diary` speaks for the origin
  `apudiaari/diary` and for everything below it, such as the feed `apudiaari/diary/authority/kela`.
- Notes and key ids are C2SP signed-note v1.0.0; checkpoints are C2SP tlog-checkpoint v1.0.0. A public key is
  passed on as its verifier key text, `<name>+<id>+<base64(0x01 ‖ key)>`.
- A statement (receipt, manifest) is signed as the exact bytes of its text behind a line that names its kind, so
  that neither another kind of statement nor a note can be passed off as it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.chassis.evidence.merkle import HASH_BYTES

_ED25519 = b"\x01"
_ID_BYTES = 4
_RAW_BYTES = 32
_MAX_SIGNATURES = 64
_MAX_NOTE_BYTES = 64 * 1024
_CHECKPOINT_LINES = 3

Sign = Callable[[bytes], bytes]
"""Signs a message with Ed25519; the key may be elsewhere."""


class BadNote(ValueError):
    """The note, checkpoint or key text is malformed, or its signatures do not hold."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key to verify with; `raw` is its 32 bytes (RFC 8032)."""

    name: str
    raw: bytes

    @property
    def id_bytes(self) -> bytes:
        """The key ID of C2SP signed-note: four bytes of a hash over name, type and key."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:_ID_BYTES]

    @property
    def key_id(self) -> str:
        """`<name>+<id in hexadecimal>`, as statements name their signer."""
        return f"{self.name}+{self.id_bytes.hex()}"

    @property
    def text(self) -> str:
        """The verifier key, to be passed on."""
        return f"{self.key_id}+{base64.b64encode(_ED25519 + self.raw).decode()}"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made the signature over the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def speaks_for(self, origin: str) -> bool:
        """Whether this key may sign for a log or feed of that origin."""
        return origin == self.name or origin.startswith(self.name + "/")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key to sign with."""

    name: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return PublicKey(self.name, raw)

    @property
    def key_id(self) -> str:
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self.private.sign(message)

    def pem(self) -> bytes:
        """PKCS #8, unencrypted: the file must be readable by the service alone."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def generate_signing_key(name: str) -> SigningKey:
    """A new key. Raises BadNote for a name that a note cannot carry."""
    return SigningKey(_checked_name(name), Ed25519PrivateKey.generate())


def signing_key_from_pem(pem: bytes, name: str) -> SigningKey:
    """The key in a PKCS #8 PEM. Raises ValueError if it is not an Ed25519 key."""
    private = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError("the signing key is not an Ed25519 key; make one with: openssl genpkey -algorithm ed25519")
    return SigningKey(_checked_name(name), private)


def load_signing_key(path: Path, name: str) -> SigningKey:
    """The key in a PEM file. Raises OSError or ValueError."""
    return signing_key_from_pem(path.read_bytes(), name)


def parse_public_key(text: str) -> PublicKey:
    """Read a verifier key text. Raises BadNote if it is malformed or its id does not belong to the key."""
    name, _, rest = text.partition("+")
    raw = decode_base64(rest.partition("+")[2])
    if len(raw) != 1 + _RAW_BYTES or raw[:1] != _ED25519:
        raise BadNote(f"{text!r} is not the text of an Ed25519 key")
    key = PublicKey(_checked_name(name), raw[1:])
    if key.text != text:
        raise BadNote(f"the id in {text!r} does not belong to its key")
    return key


def key_list(keys: Iterable[PublicKey]) -> dict[str, object]:
    """The JSON in which public keys are handed out: `{"keys": [verifier key, …]}`."""
    return {"keys": [key.text for key in keys]}


def parse_key_list(handed_out: Mapping[str, object]) -> tuple[PublicKey, ...]:
    """Read a key list; other fields are ignored. Raises BadNote if it holds no key or a malformed one."""
    texts = handed_out.get("keys")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise BadNote('a key list is {"keys": ["<name>+<id>+<key>", …]} with at least one key')
    return tuple(parse_public_key(text) for text in texts)


def decode_base64(text: str) -> bytes:
    """Standard base64 in its one canonical form. Raises BadNote."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise BadNote("not base64 in its canonical form")
    return data


class VerifiedNote(NamedTuple):
    """The text of a note, and the known keys whose signatures on it hold (at least one)."""

    text: str
    signers: tuple[PublicKey, ...]


def sign_note(text: str, keys: Sequence[SigningKey]) -> str:
    """The text with a signature line per key. Raises BadNote for a text that a note cannot carry."""
    _check_note_text(text)
    if not keys:
        raise BadNote("a note needs at least one key")
    return text + "\n" + "".join(_signature_line(key, text) for key in keys)


def verify_note(note: str, public_keys: Iterable[PublicKey]) -> VerifiedNote:
    """Check a note. Unknown signers are passed over; a wrong signature of a known key refuses the whole note.

    Raises BadNote.
    """
    known = {(key.name, key.id_bytes): key for key in public_keys}
    text, signatures = split_note(note)
    signers = []
    for name, key_id, signature in signatures:
        key = known.get((name, key_id))
        if key is None:
            continue
        if not key.verifies(signature, text.encode()):
            raise BadNote(f"the signature of {key.key_id} is wrong")
        signers.append(key)
    if not signers:
        raise BadNote("no known key has signed the note")
    return VerifiedNote(text, tuple(signers))


class Checkpoint(NamedTuple):
    """The head of a log: who, how many leaves, which root."""

    origin: str
    size: int
    root: bytes


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """The text of the note. Raises BadNote for a checkpoint that could not be read back."""
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"
    if parse_checkpoint(text) != checkpoint:
        raise BadNote(f"{checkpoint.origin!r} cannot be the origin of a checkpoint")
    return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a verified note. Extension lines, which we never write, are refused. Raises BadNote."""
    lines = text.split("\n")
    if len(lines) != _CHECKPOINT_LINES + 1 or not lines[0] or lines[-1]:
        raise BadNote("a checkpoint has three lines: origin, size, root")
    origin, size, root = lines[0], lines[1], decode_base64(lines[2])
    if not (size.isascii() and size.isdigit() and str(int(size)) == size) or len(root) != HASH_BYTES:
        raise BadNote("the size or the root of the checkpoint is malformed")
    return Checkpoint(origin, int(size), root)


def sign_checkpoint(checkpoint: Checkpoint, keys: Sequence[SigningKey]) -> str:
    """The signed note of a checkpoint. Sign only what is committed; store before showing."""
    return sign_note(format_checkpoint(checkpoint), keys)


def verify_checkpoint(note: str, public_keys: Iterable[PublicKey]) -> Checkpoint:
    """The checkpoint in a note that a key speaking for its origin has signed. Raises BadNote."""
    text, signers = verify_note(note, public_keys)
    checkpoint = parse_checkpoint(text)
    if not any(key.speaks_for(checkpoint.origin) for key in signers):
        raise BadNote(f"no signer of the checkpoint may speak for {checkpoint.origin}")
    return checkpoint


def statement_message(kind: str, text: str) -> bytes:
    """The exact bytes that are signed: the line `apudiaari <kind> v1`, then the text of the statement."""
    return f"apudiaari {kind} v1\n{text}".encode()


def sign_statement(kind: str, text: str, sign: Sign) -> str:
    """The signature over a statement, in base64."""
    return base64.b64encode(sign(statement_message(kind, text))).decode()


def verify_statement(kind: str, text: str, key_id: str, signature: str, public_keys: Iterable[PublicKey]) -> PublicKey:
    """The known key that signed the statement. Raises BadNote."""
    key = next((key for key in public_keys if key.key_id == key_id), None)
    if key is None:
        raise BadNote(f"{key_id[:100]} is not a known key")
    try:
        message = statement_message(kind, text)
    except UnicodeEncodeError as error:
        raise BadNote("the statement is not Unicode") from error
    if not key.verifies(decode_base64(signature), message):
        raise BadNote(f"the signature of {key.key_id} is wrong")
    return key


def _signature_line(key: SigningKey, text: str) -> str:
    signature = base64.b64encode(key.public.id_bytes + key.sign(text.encode())).decode()
    return f"— {key.name} {signature}\n"


def split_note(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text of a note and its signatures as (name, key id, signature), unverified. Raises BadNote."""
    body, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n") or len(note) > _MAX_NOTE_BYTES:
        raise BadNote("a note is a text, an empty line and signature lines")
    text = body + "\n"
    _check_note_text(text)
    lines = tail[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise BadNote(f"a note of more than {_MAX_SIGNATURES} signatures is not read")
    return text, [_parse_signature_line(line) for line in lines]


def _parse_signature_line(line: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    signature = decode_base64(encoded)
    if dash != "—" or len(signature) <= _ID_BYTES:
        raise BadNote("a line of the note is not a signature")
    return _checked_name(name), signature[:_ID_BYTES], signature[_ID_BYTES:]


def _check_note_text(text: str) -> None:
    if not text.endswith("\n") or any(char < " " and char != "\n" for char in text):
        raise BadNote("the text of a note ends in a newline and has no other control characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadNote("the text of a note is not Unicode") from error


def _checked_name(name: str) -> str:
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise BadNote(f"{name!r} cannot be the name of a key: it must be non-empty, without spaces and plus signs")
    return name
