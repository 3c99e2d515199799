"""A token issuer for machine clients in development: OAuth 2.0 client credentials (RFC 6749 §4.4).

In production the operator's OpenID provider does this; no service imports this module. Tokens are JSON Web
Tokens signed with ES256, live 15 minutes, and carry the claims that services read: `roles`, `party_id`,
`points`, `name`. Clients stand in a JSON file, read again when it changes, so that a client can be added
while the issuer runs.

    python -m deploy.dev.issuer --port 8111 --clients .run/clients.json --key .run/keys/issuer.pem
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hmac
import json
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

AUDIENCE = "apudiaari"
TOKEN_LIFE_S = 15 * 60
ALGORITHM = "ES256"
_BODY_BYTES_MAX = 4096


class Issuer:
    """Knows the clients and signs their tokens."""

    def __init__(self, url: str, clients: Path, key: ECKey) -> None:
        self.url = url
        self._file = clients
        self._read_at_ns = 0
        self._clients: dict[str, dict[str, Any]] = {}
        self._key = key
        self._key_id = key.thumbprint()

    def client(self, client_id: str, secret: str) -> dict[str, Any] | None:
        """The client, if the secret is its own."""
        self._read_again()
        client = self._clients.get(client_id)
        # Compared even for an unknown client, so that the time tells nothing.
        expected = client["client_secret"] if client else uuid.uuid4().hex
        return client if hmac.compare_digest(expected.encode(), secret.encode()) else None

    def token(self, client: dict[str, Any]) -> str:
        """A signed access token for the client."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": client["client_id"],
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + TOKEN_LIFE_S,
            "jti": str(uuid.uuid4()),
            "roles": [client["role"]],
            "party_id": client.get("party_id"),
            "points": client.get("points", []),
            "name": client.get("name") or client["client_id"],
        }
        return jwt.encode({"alg": ALGORITHM, "kid": self._key_id}, claims, self._key)

    def keys(self) -> dict[str, Any]:
        """The public keys, as a JSON Web Key Set."""
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self._key_id, "alg": ALGORITHM, "use": "sig"}]}

    def _read_again(self) -> None:
        changed_at_ns = self._file.stat().st_mtime_ns
        if changed_at_ns != self._read_at_ns:
            listed = json.loads(self._file.read_text())
            self._clients = {client["client_id"]: client for client in listed}
            self._read_at_ns = changed_at_ns


def issuer_app(issuer: Issuer) -> Starlette:
    """The three addresses of the issuer."""

    async def token(request: Request) -> JSONResponse:
        if int(request.headers.get("content-length", _BODY_BYTES_MAX + 1)) > _BODY_BYTES_MAX:
            return _refusal("invalid_request", "the request is too large or has no length", 400)
        form = await request.form()
        if form.get("grant_type") != "client_credentials":
            return _refusal("unsupported_grant_type", "only client_credentials is given here", 400)
        client = issuer.client(*_credentials(request, dict(form)))
        if client is None:
            return _refusal("invalid_client", "unknown client_id or wrong client_secret", 401)
        body = {"access_token": issuer.token(client), "token_type": "Bearer", "expires_in": TOKEN_LIFE_S}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    async def discovery(_: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": issuer.url,
                "token_endpoint": f"{issuer.url}/token",
                "jwks_uri": f"{issuer.url}/jwks.json",
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "response_types_supported": [],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
            }
        )

    async def jwks(_: Request) -> JSONResponse:
        return JSONResponse(issuer.keys())

    return Starlette(
        routes=[
            Route("/token", token, methods=["POST"]),
            Route("/.well-known/openid-configuration", discovery),
            Route("/jwks.json", jwks),
        ]
    )


def _credentials(request: Request, form: dict[str, Any]) -> tuple[str, str]:
    """Client id and secret from Basic authentication or the form (RFC 6749 §2.3.1); empty when malformed."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return str(form.get("client_id", "")), str(form.get("client_secret", ""))
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(client_id), unquote(secret)


def _refusal(error: str, description: str, status: int) -> JSONResponse:
    headers = {"Cache-Control": "no-store"} | ({"WWW-Authenticate": "Basic"} if status == 401 else {})
    return JSONResponse({"error": error, "error_description": description}, status, headers)


def kept_key(file: Path) -> ECKey:
    """The issuer's key, made once, so that a restart does not end the tokens that are out."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    return ECKey.import_key(file.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description="Token issuer for machine clients, for development only.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    options = parser.parse_args()
    issuer = Issuer(f"http://127.0.0.1:{options.port}", options.clients, kept_key(options.key))
    uvicorn.run(issuer_app(issuer), host="127.0.0.1", port=options.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
