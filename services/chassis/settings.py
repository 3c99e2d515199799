"""Settings of a service process, read once from the environment (prefix ``APUDIAARI_``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.chassis.errors import Invalid

FEED_SECRET_BYTES = 32


class Issuer(BaseModel):
    """A token issuer that the service trusts."""

    issuer: str
    jwks_url: str
    audience: str = "apudiaari"


class Settings(BaseSettings):
    """Everything a process may be told from outside. A service that runs for real needs more: `require_complete`."""

    model_config = SettingsConfigDict(env_prefix="APUDIAARI_", extra="ignore")

    database_url: SecretStr
    owner_database_url: SecretStr | None = None
    pool_size: Annotated[int, Field(ge=2, le=100)] = 12

    kafka_bootstrap: Annotated[str, NoDecode] = "127.0.0.1:19092"
    kafka_idempotent: bool = True
    kafka_exact_end_offsets: bool = True
    kafka_session_ms: Annotated[int, Field(ge=1000, le=300_000)] = 20_000
    kafka_replication: Annotated[int, Field(ge=1, le=5)] = 3
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8101
    base_urls: dict[str, str] = {}
    log_level: str = "INFO"

    issuers: tuple[Issuer, ...] = ()
    oidc_issuer: str | None = None
    oidc_client_id: str = "apudiaari"
    oidc_client_secret: SecretStr = SecretStr("")

    signing_key_file: Path | None = None
    feed_secret: SecretStr = SecretStr("")
    synthetic: bool = False

    @field_validator("feed_secret")
    @classmethod
    def _is_hexadecimal(cls, secret: SecretStr) -> SecretStr:
        try:
            bytes.fromhex(secret.get_secret_value())
        except ValueError:
            raise ValueError("a feed secret is an even number of hexadecimal digits") from None
        return secret

    def require_complete(self) -> None:
        """What has no default that is right outside a test. Raises Invalid ``settings_incomplete`` with what lacks."""
        lacking = {
            "SIGNING_KEY_FILE": self.signing_key_file is None,
            "FEED_SECRET": len(self.feed_secret_bytes) < FEED_SECRET_BYTES,
            "ISSUERS": not self.issuers,
        }
        names = [f"APUDIAARI_{name}" for name, lacks in lacking.items() if lacks]
        if names:
            detail = f"Set {', '.join(names)} (a feed secret has {2 * FEED_SECRET_BYTES} hexadecimal digits or more)."
            raise Invalid("settings_incomplete", detail)

    @property
    def bootstrap_servers(self) -> list[str]:
        """The brokers as a list: FastStream does not split the string."""
        return [server.strip() for server in self.kafka_bootstrap.split(",") if server.strip()]

    @property
    def feed_secret_bytes(self) -> bytes:
        """The key of the authorities' references."""
        return bytes.fromhex(self.feed_secret.get_secret_value())
