"""Signing in as a person: OpenID Connect authorization code flow with PKCE, state and nonce.

Sources: OpenID Connect Core 1.0 §3.1, RFC 7636, RFC 9700 (OAuth security), OpenID Connect RP-Initiated Logout 1.0 and
Back-Channel Logout 1.0. What must survive the round trip to the provider (state, nonce, verifier, where to go next)
waits in a short-lived HttpOnly cookie of that browser, so that anonymous visitors cannot fill a table.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
from fastapi import APIRouter, Form, Request
from pydantic import SecretStr
from starlette.responses import RedirectResponse, Response

from services.chassis.access import Action, Principal
from services.chassis.errors import ApudiaariError
from services.chassis.identity import Identity, InvalidToken, TokenVerifier, principal_of, rule
from services.chassis.web import sessions

PENDING_S = 600
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
Anyone = Annotated[Principal, rule(Action.OPEN)]


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the routes need. ``persons`` verifies ID tokens: its only issuer is the persons' provider."""

    identity: Identity
    persons: TokenVerifier
    issuer: str
    client_id: str
    client_secret: SecretStr
    base_url: str
    http: httpx.AsyncClient

    @property
    def https(self) -> bool:
        """Cookies are Secure over https; over plain http only loopback development runs."""
        return self.base_url.startswith("https://")

    @property
    def pending_cookie(self) -> str:
        """Name of the cookie that waits while the person is at the provider."""
        return self.identity.cookie_name + "-signin"

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends the person back."""
        return self.base_url + "/sign-in/callback"

    def set_cookie(self, response: Response, name: str, value: str, max_age_s: int) -> None:
        """HttpOnly, host-only, SameSite=Lax: the provider's redirect back is a cross-site navigation."""
        response.set_cookie(name, value, max_age=max_age_s, path="/", secure=self.https, httponly=True, samesite="lax")

    def clear_cookie(self, response: Response, name: str) -> None:
        """Forget the cookie."""
        response.delete_cookie(name, path="/", secure=self.https, httponly=True, samesite="lax")


def cookie_name(service: str, *, https: bool) -> str:
    """``__Host-`` pins the cookie to the host and to https; loopback development cannot have it."""
    return f"{'__Host-' if https else ''}apudiaari-{service}"


def local_path(wanted: str | None) -> str:
    """Where to go after signing in: a path of ours, never another site."""
    if not wanted or not wanted.startswith("/") or "\\" in wanted or any(ord(c) < 32 for c in wanted):
        return "/"
    parts = urlsplit(wanted)
    return wanted if not parts.netloc and not parts.scheme and not wanted.startswith("//") else "/"


def sign_in_routes(flow: SignIn) -> APIRouter:
    """The routes; they are not part of the API description."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    async def sign_in(_: Anyone, next: str = "/") -> Response:
        metadata = await flow.persons.issuer(flow.issuer).discover()
        pending = {key: secrets.token_urlsafe(32) for key in ("state", "nonce", "verifier")}
        query = urlencode(_authorization_request(flow, pending))
        response = RedirectResponse(f"{metadata['authorization_endpoint']}?{query}", 303)
        value = json.dumps({**pending, "next": local_path(next)}).encode()
        flow.set_cookie(response, flow.pending_cookie, base64.urlsafe_b64encode(value).decode(), PENDING_S)
        return response

    @router.get("/sign-in/callback")
    async def callback(request: Request, _: Anyone, state: str = "", code: str = "", error: str = "") -> Response:
        pending = _pending(request.cookies.get(flow.pending_cookie))
        if not state or not secrets.compare_digest(state, str(pending.get("state", ""))):
            raise _failed("sign_in_expired", "The sign-in took too long or began in another window. Begin again.")
        if error or not code:
            raise _failed("sign_in_refused", "The identity provider did not sign you in.")
        claims = await _exchange(flow, code, pending)
        response = RedirectResponse(local_path(pending["next"]), 303)
        await _replace_session(flow, request, response, claims)
        flow.clear_cookie(response, flow.pending_cookie)
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request, _: Anyone) -> Response:
        response = RedirectResponse(await _after_sign_out(flow), 303)
        token = request.cookies.get(flow.identity.cookie_name)
        if token:
            await flow.identity.sessions.end(token)
        flow.clear_cookie(response, flow.identity.cookie_name)
        response.headers["Clear-Site-Data"] = '"cache"'
        return response

    @router.post("/sign-out/back-channel")
    async def back_channel(_: Anyone, logout_token: Annotated[str, Form(max_length=8192)]) -> Response:
        claims = await flow.persons.claims(logout_token, "iat", "jti")
        named = claims.get("sub") or claims.get("sid")
        if not named or "nonce" in claims or LOGOUT_EVENT not in (claims.get("events") or {}):
            raise ApudiaariError("invalid_logout_token", "This is not a logout token.", status=400)
        await flow.identity.sessions.end_of(claims["iss"], claims.get("sub"), claims.get("sid"))
        return Response(status_code=200, headers={"Cache-Control": "no-store"})

    return router


def _authorization_request(flow: SignIn, pending: dict[str, str]) -> dict[str, str]:
    digest = hashlib.sha256(pending["verifier"].encode()).digest()
    return {
        "response_type": "code",
        "client_id": flow.client_id,
        "redirect_uri": flow.redirect_uri,
        "scope": "openid profile",
        "state": pending["state"],
        "nonce": pending["nonce"],
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }


def _pending(cookie: str | None) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(cookie or ""))
        return value if isinstance(value, dict) else {}
    except ValueError:
        return {}


async def _exchange(flow: SignIn, code: str, pending: dict[str, Any]) -> dict[str, Any]:
    """Code → the ID token's verified claims."""
    metadata = await flow.persons.issuer(flow.issuer).discover()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": flow.redirect_uri,
        "code_verifier": pending["verifier"],
    }
    secret = flow.client_secret.get_secret_value()
    if not secret:
        form["client_id"] = flow.client_id  # A public client names itself; PKCE protects the code.
    basic = httpx.BasicAuth(quote(flow.client_id), quote(secret)) if secret else httpx.USE_CLIENT_DEFAULT
    try:
        answer = await flow.http.post(metadata["token_endpoint"], data=form, auth=basic)
        token = answer.raise_for_status().json()["id_token"]
        claims = await flow.persons.claims(token, "nonce", "sub", "iat")
    except (httpx.HTTPError, ValueError, KeyError, TypeError, InvalidToken) as error:
        raise _failed("sign_in_failed", "The identity provider's answer was not accepted.") from error
    if not secrets.compare_digest(str(claims["nonce"]), str(pending["nonce"])):
        raise _failed("sign_in_failed", "The identity provider's answer was meant for another sign-in.")
    return claims


async def _replace_session(flow: SignIn, request: Request, response: Response, claims: dict[str, Any]) -> None:
    """A new token for every sign-in, so that a planted one is worth nothing (session fixation)."""
    store = flow.identity.sessions
    old = request.cookies.get(flow.identity.cookie_name)
    if old:
        await store.end(old)
    token = await store.create(principal_of(claims), claims.get("sid"), sessions.now())
    max_age_s = int(sessions.ABSOLUTE.total_seconds())
    flow.set_cookie(response, flow.identity.cookie_name, token, max_age_s)


async def _after_sign_out(flow: SignIn) -> str:
    """The provider's own sign-out if it has one: else the next person at the counter is signed in as this one."""
    try:
        endpoint = (await flow.persons.issuer(flow.issuer).discover()).get("end_session_endpoint")
    except ApudiaariError:
        endpoint = None
    if not endpoint:
        return "/"
    back = {"client_id": flow.client_id, "post_logout_redirect_uri": flow.base_url + "/"}
    return f"{endpoint}?{urlencode(back)}"


def _failed(code: str, detail: str) -> ApudiaariError:
    return ApudiaariError(code, detail, status=400)
