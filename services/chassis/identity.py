"""Who asks: bearer tokens of trusted issuers, or the cookie of a signed-in person.

Invariants:
- A token counts only if its issuer is on the list, its signature verifies with a key that issuer publishes, its
  algorithm is an asymmetric one of ours, it is meant for us (``aud``) and it has not expired.
- Keys are fetched from the issuer's discovery document, kept for an hour and fetched again for an unknown ``kid``, at
  most once in 10 seconds, so that forged key ids cannot make us hammer the issuer.
- A bad bearer token is refused, never treated as anonymous; an ended session is anonymous.
- Every route declares its action with ``rule(action)``; ``declared_action`` reads it back for the test that walks
  all routes.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import Depends, Request
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.routing import BaseRoute

from services.chassis import access
from services.chassis.access import PUBLIC, Action, Principal, Role
from services.chassis.errors import ApudiaariError
from services.chassis.web import sessions as session_table
from services.chassis.web.sessions import SessionStore

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
LEEWAY_S = 30
KEYS_KEPT_S = 3600
REFRESH_PAUSE_S = 10
TOKENS_KEPT = 4096
TOKEN_KEPT_S = 60
TIMEOUT = httpx.Timeout(5.0)


def http_client() -> httpx.AsyncClient:
    """The client that talks to issuers: time-limited, and no redirect is followed."""
    return httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)


class InvalidToken(ApudiaariError):
    """A bearer token that does not hold. The detail never repeats the token."""

    def __init__(self, why: str) -> None:
        super().__init__("invalid_token", f"The bearer token is not accepted: {why}.", status=401)


@dataclass(slots=True)
class Issuer:
    """One trusted issuer: its discovery document and keys, fetched when first needed.

    With ``jwks_url`` given no discovery is needed for keys; ``audience`` is what its tokens must be meant for.
    """

    url: str
    audience: str
    http: httpx.AsyncClient
    jwks_url: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    keys: KeySet = field(default_factory=lambda: KeySet([]))
    fetched_s: float = -KEYS_KEPT_S
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def discover(self) -> dict[str, Any]:
        """The discovery document. Raises 503 when the issuer does not answer or is not who it should be."""
        if not self.metadata:
            metadata = await self._get_json(self.url.rstrip("/") + "/.well-known/openid-configuration")
            if metadata.get("issuer") != self.url:
                raise _issuer_unavailable()
            self.metadata = metadata
        return self.metadata

    async def key_for(self, kid: str | None) -> KeySet:
        """The keys that may have signed a token with this ``kid`` (RFC 7515 §4.1.4)."""
        await self._refresh(KEYS_KEPT_S)
        if not self._matching(kid):
            await self._refresh(REFRESH_PAUSE_S)
        found = self._matching(kid)
        if not found:
            raise InvalidToken("its issuer does not publish the signing key")
        return KeySet(found)

    def _matching(self, kid: str | None) -> list[Any]:
        keys = list(self.keys.keys)
        return keys if kid is None and len(keys) == 1 else [key for key in keys if key.kid == kid and kid]

    async def _refresh(self, older_than_s: float) -> None:
        async with self.lock:
            if time.monotonic() - self.fetched_s < older_than_s:
                return
            jwks_url = self.jwks_url or (await self.discover())["jwks_uri"]
            self.keys = KeySet.import_key_set(await self._get_json(jwks_url))
            self.fetched_s = time.monotonic()

    async def _get_json(self, url: str) -> Any:
        try:
            response = await self.http.get(url)
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _issuer_unavailable() from error


def _issuer_unavailable() -> ApudiaariError:
    return ApudiaariError("issuer_unavailable", "The identity provider does not answer. Try again shortly.", status=503)


class TokenVerifier:
    """Verifies JSON Web Tokens of a fixed list of issuers (RFC 7519, RFC 8725)."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._issuers = {issuer.url: issuer for issuer in issuers}
        self._verified: dict[bytes, tuple[float, Principal]] = {}

    def issuer(self, url: str) -> Issuer:
        """The trusted issuer with this URL. Raises InvalidToken for any other."""
        if url not in self._issuers:
            raise InvalidToken("its issuer is not trusted here")
        return self._issuers[url]

    async def principal(self, token: str) -> Principal:
        """Who a bearer token stands for. A verified token is remembered for at most a minute."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known and known[0] > time.time():
            return known[1]
        claims = await self.claims(token, "sub")
        if "events" in claims:
            raise InvalidToken("a logout token gives no access")
        who = principal_of(claims)
        if len(self._verified) >= TOKENS_KEPT:
            self._verified.clear()
        self._verified[digest] = (min(claims["exp"], time.time() + TOKEN_KEPT_S), who)
        return who

    async def claims(self, token: str, *required: str) -> dict[str, Any]:
        """The claims of a token that verifies and has the ``required`` ones. Raises InvalidToken otherwise."""
        claimed, kid = _unverified(token)
        issuer = self.issuer(claimed)
        keys = await issuer.key_for(kid)
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer.url},
            aud={"essential": True, "value": issuer.audience},
            exp={"essential": True},
        )
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            registry.validate(decoded.claims)
        except (JoseError, ValueError) as error:
            raise InvalidToken(type(error).__name__) from error
        if missing := [name for name in required if not decoded.claims.get(name)]:
            raise InvalidToken(f"it has no {missing[0]}")
        return dict(decoded.claims)


def _unverified(token: str) -> tuple[str, str | None]:
    """Issuer and key id as the token claims them: only to choose the keys that then decide."""
    try:
        parts = jws.extract_compact(token.encode())
        claims = httpx.Response(200, content=parts.payload).json()
        return str(claims["iss"]), parts.headers().get("kid")
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidToken("it is not a signed JSON Web Token") from error


def principal_of(claims: dict[str, Any]) -> Principal:
    """Claims ``roles``, ``party_id``, ``points`` and ``name`` → Principal. Unknown roles give nothing."""
    known = {role.value for role in Role}
    roles = {Role(name) for name in claims.get("roles") or () if name in known}
    return Principal(
        subject=str(claims["sub"]) if claims.get("sub") else str(claims.get("client_id", "")),
        issuer=str(claims["iss"]),
        roles=frozenset(roles | {Role.PUBLIC}),
        party_id=claims.get("party_id") or None,
        points=frozenset(claims.get("points") or ()),
        name=str(claims.get("name") or claims.get("sub") or ""),
    )


@dataclass(frozen=True, slots=True)
class Identity:
    """What a service needs to tell who asks; ``mount_web`` puts it in ``app.state.identity``."""

    verifier: TokenVerifier
    sessions: SessionStore
    cookie_name: str

    async def of(self, request: Request) -> Principal:
        """Bearer token before cookie; neither is the public."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise InvalidToken("only the Bearer scheme is understood")
            return await self.verifier.principal(token.strip())
        cookie = request.cookies.get(self.cookie_name)
        if cookie:
            return await self.sessions.find(cookie, session_table.now()) or PUBLIC
        return PUBLIC


async def principal(request: Request) -> Principal:
    """FastAPI dependency: who asks, worked out once per request. Also kept for the page's header."""
    if not hasattr(request.state, "principal"):
        identity: Identity = request.app.state.identity
        request.state.principal = await identity.of(request)
    who: Principal = request.state.principal
    return who


@dataclass(frozen=True, slots=True)
class Rule:
    """The dependency that ``rule`` makes; it carries the declared action."""

    action: Action

    async def __call__(self, request: Request) -> Principal:
        """The principal, if its role may ever do the action. The handler then asks about the very resource."""
        who = await principal(request)
        access.require_role(who, self.action)
        return who


def rule(action: Action) -> Any:
    """Declare a route's action: ``who: Annotated[Principal, rule(Action.RECORD_VISIT)]``."""
    return Depends(Rule(action))


def declared_action(route: BaseRoute) -> Action | None:
    """The action a route declares, or None: which the route walk takes for a fault."""
    dependant = getattr(route, "dependant", None)
    calls = [sub.call for sub in getattr(dependant, "dependencies", ())]
    actions = [call.action for call in calls if isinstance(call, Rule)]
    assert len(actions) <= 1, f"{route} declares more than one action"
    return actions[0] if actions else None


def walk_routes(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, BaseRoute]]:
    """Every route with its full path, through included routers and mounts."""
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is not None:
            inner = getattr(getattr(route, "include_context", None), "prefix", "")
            yield from walk_routes(router.routes, prefix + inner)
            continue
        path = prefix + getattr(route, "path", "")
        inner_routes = getattr(route, "routes", None)
        if inner_routes:
            yield from walk_routes(inner_routes, path)
        else:
            yield path, route
