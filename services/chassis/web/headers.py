"""The edge every request passes: language, cross-site refusal, security headers. Plain ASGI, so that it costs little.

Cross-site requests are told by Fetch Metadata, then by Origin. No tokens in forms: they would go stale in the
counter's offline queue. Only requests that ride on our cookie are judged; a bearer token cannot be sent by a
stranger's page.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.web.i18n import choose_language

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LANGUAGE_COOKIE = "apudiaari-lang"
YEAR_S = 365 * 24 * 3600

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"


def secure(response: Response) -> Response:
    """The security headers on a response that may not pass the edge (the last-resort 500)."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


class Edge:
    """ASGI middleware. ``form_targets`` are origins a form may lead to (the identity provider at sign-out).

    ``refuse`` makes the response to a cross-site request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        session_cookie: str,
        https: bool,
        own_origin: str,
        form_targets: tuple[str, ...],
        refuse: Callable[[Scope], Response],
    ) -> None:
        self.app = app
        self.session_cookie = session_cookie
        self.https = https
        self.own_origin = own_origin
        self.refuse = refuse
        policy = " ".join((CONTENT_SECURITY_POLICY, *form_targets))
        self.headers = {**SECURITY_HEADERS, "Content-Security-Policy": policy}
        if https:
            self.headers["Strict-Transport-Security"] = STRICT_TRANSPORT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its language; add the headers on the way back."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        cookies = cookie_parser(headers.get("cookie", ""))
        asked = _asked_language(scope)
        remembered = cookies.get(LANGUAGE_COOKIE)
        language = choose_language(asked, remembered, headers.get("accept-language"))
        scope.setdefault("state", {})["language"] = language
        chosen = language if asked == language and asked != remembered else None

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._finish(MutableHeaders(scope=message), chosen)
            await send(message)

        rides_on_cookie = self.session_cookie in cookies and "authorization" not in headers
        if rides_on_cookie and scope["method"] not in SAFE_METHODS and not self.same_origin(headers):
            await self.refuse(scope)(scope, receive, send_secured)
            return
        await self.app(scope, receive, send_secured)

    def same_origin(self, headers: Headers) -> bool:
        """Fetch Metadata decides; without it the Origin must be ours; without both the request is refused."""
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        origin = headers.get("origin")
        return origin is not None and (origin == self.own_origin or urlsplit(origin).netloc == headers.get("host"))

    def _finish(self, headers: MutableHeaders, chosen: str | None) -> None:
        for name, value in self.headers.items():
            headers.setdefault(name, value)
        if headers.get("content-type", "").startswith("text/html"):
            headers.setdefault("Cache-Control", "no-store")
            headers.add_vary_header("Accept-Language, Cookie")
        if chosen:
            secure_flag = "; Secure" if self.https else ""
            headers.append(
                "set-cookie",
                f"{LANGUAGE_COOKIE}={chosen}; Path=/; Max-Age={YEAR_S}; SameSite=Lax{secure_flag}",
            )


def _asked_language(scope: Scope) -> str | None:
    query: bytes = scope.get("query_string", b"")
    if b"lang=" not in query:
        return None
    values: dict[str, Any] = parse_qs(query.decode("latin-1"))
    return str(values["lang"][0]) if values.get("lang") else None
