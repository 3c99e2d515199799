"""What a service process is told by its environment, in one place for the supervisor and for tests."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.dev.broker import Broker

SERVICES = ("diary", "agreements", "billing", "statistics")
OIDC_CLIENT_ID = "apudiaari"


@dataclass(frozen=True)
class Surroundings:
    """What the four services share. `keys` is a folder for signing keys and the feed secret (mode 0700)."""

    base_urls: Mapping[str, str]
    broker: Broker
    keys: Path
    token_issuer: str | None = None
    persons_issuer: str | None = None
    oidc_client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    synthetic: bool = False

    def issuers(self) -> list[dict[str, str]]:
        """Issuers that services trust: machine clients' tokens name the platform, persons' the web client."""
        trusted = []
        if self.token_issuer:
            keys = f"{self.token_issuer}/jwks.json"
            trusted.append({"issuer": self.token_issuer, "jwks_url": keys, "audience": "apudiaari"})
        if self.persons_issuer:
            keys = f"{self.persons_issuer}/jwks"
            trusted.append({"issuer": self.persons_issuer, "jwks_url": keys, "audience": OIDC_CLIENT_ID})
        return trusted


def service_environment(
    service: str, around: Surroundings, *, app_dsn: str, owner_dsn: str, port: int
) -> dict[str, str]:
    """All `APUDIAARI_…` variables of one service."""
    exact = json.dumps(around.broker.idempotent)  # Tansu has neither idempotent producers nor exact end offsets.
    environment = {
        "DATABASE_URL": app_dsn,
        "OWNER_DATABASE_URL": owner_dsn,
        "KAFKA_BOOTSTRAP": around.broker.bootstrap,
        "KAFKA_IDEMPOTENT": exact,
        "KAFKA_EXACT_END_OFFSETS": exact,
        "KAFKA_REPLICATION": "1",
        "KAFKA_SESSION_MS": str(session_ms(around.broker)),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "BASE_URLS": json.dumps(dict(around.base_urls)),
        "ISSUERS": json.dumps(around.issuers()),
        "SIGNING_KEY_FILE": str(signing_key(around.keys, service)),
        "FEED_SECRET": kept_secret(around.keys / "feed-secret"),
        "SYNTHETIC": json.dumps(around.synthetic),
    }
    if around.persons_issuer:
        environment |= {
            "OIDC_ISSUER": around.persons_issuer,
            "OIDC_CLIENT_ID": OIDC_CLIENT_ID,
            "OIDC_CLIENT_SECRET": around.oidc_client_secret,
        }
    return {f"APUDIAARI_{name}": value for name, value in environment.items()}


def session_ms(broker: Broker) -> int:
    """The shortest session that the broker allows: a killed reader's partitions stand still for so long.

    Tansu lets a group begin after half of it, and a restarted member wait longer still.
    """
    return 6000 if broker.idempotent else 3000


def signing_key(keys: Path, service: str) -> Path:
    """The service's Ed25519 key as PKCS #8 PEM, made once."""
    file = keys / f"{service}.pem"
    if not file.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write_private(file, pem)
    return file


def kept_secret(file: Path) -> str:
    """32 random bytes in hexadecimal, made once."""
    if not file.exists():
        _write_private(file, secrets.token_hex(32).encode())
    return file.read_text()


def _write_private(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.touch(mode=0o600)
    file.write_bytes(content)
