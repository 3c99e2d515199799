"""The web shell of a service: layout, sign-in, language, errors, headers. ``mount_web`` puts it all on the app.

web = mount_web(app, settings, "diary", database=database, package=services.diary)
…
return web.page(request, "counter.html", visits=visits)
"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import httpx
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from services.chassis.access import PUBLIC, Action, Principal
from services.chassis.db import Database
from services.chassis.errors import ApudiaariError
from services.chassis.identity import Identity, Issuer, TokenVerifier, http_client, rule
from services.chassis.problems import install_problem_handlers, respond
from services.chassis.settings import Settings
from services.chassis.web.fonts import font_directory
from services.chassis.web.format import Formatter
from services.chassis.web.headers import Edge
from services.chassis.web.i18n import LANGUAGES
from services.chassis.web.sessions import SessionStore
from services.chassis.web.signin import SignIn, cookie_name, sign_in_routes
from services.chassis.web.templating import Templates, templates

SERVICES = ("diary", "agreements", "billing", "statistics")


@dataclass(frozen=True, slots=True)
class Web:
    """What pages are made with; also ``request.app.state.web``."""

    templates: Templates
    service: str
    http: httpx.AsyncClient

    async def close(self) -> None:
        """Close the connections to the identity providers; for the app's lifespan."""
        await self.http.aclose()

    def page(
        self, request: Request, name: str, status: int = 200, headers: dict[str, str] | None = None, **context: Any
    ) -> HTMLResponse:
        """Render a page in the request's language, with who is signed in."""
        text = self.templates.render(self.language(request), name, {"shell_request": self._about(request), **context})
        return HTMLResponse(text, status, headers=headers)

    def language(self, request: Request) -> str:
        """The request's language: ``fi``, ``sv`` or ``en``."""
        language: str = getattr(request.state, "language", "fi")
        return language

    def formatter(self, request: Request) -> Formatter:
        """The formats of the request's language."""
        return self.templates.formatter(self.language(request))

    def text(self, request: Request, key: str, **values: object) -> str:
        """A message in the request's language."""
        return self.templates.text(self.language(request), key, **values)

    def render_error(self, request: Request, error: ApudiaariError) -> HTMLResponse:
        """The page for a refusal; texts come from the catalogue by status and, where it has one, by code."""
        return self.page(request, "error.html", error.status, error=error)

    def _about(self, request: Request) -> dict[str, Any]:
        """What ``base.html`` shows of the request. An error before identification shows nobody."""
        who: Principal = getattr(request.state, "principal", PUBLIC)
        kept = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
        path = request.url.path
        here = f"{path}?{urlencode(kept)}" if kept else path
        return {
            "principal": who,
            "path": path,
            "sign_in_url": "/sign-in?" + urlencode({"next": here if request.method == "GET" else "/"}),
            "language_urls": {language: f"{path}?{urlencode([*kept, ('lang', language)])}" for language in LANGUAGES},
            "trace_id": getattr(request.state, "trace_id", None),
        }


def mount_web(
    app: FastAPI, settings: Settings, service: str, *, database: Database, package: ModuleType, strict: bool = False
) -> Web:
    """Add static files, sign-in, language switch, error pages and security headers to a service's app.

    ``package`` is the service's package: its ``templates/``, ``locales/`` and ``static/`` join the shell's.
    """
    base_url = settings.base_urls.get(service, f"http://{settings.host}:{settings.port}").rstrip("/")
    https = base_url.startswith("https://")
    http = http_client()
    issuers = [Issuer(each.issuer, each.audience, http, each.jwks_url) for each in settings.issuers]
    identity = Identity(TokenVerifier(issuers), SessionStore(database), cookie_name(service, https=https))
    fonts = font_directory()
    made = templates(
        package,
        strict=strict,
        extra_static=(fonts,) if fonts else (),
        service=service,
        services=[(name, settings.base_urls.get(name)) for name in SERVICES],
        synthetic=settings.synthetic,
        version=_version(),
        can_sign_in=settings.oidc_issuer is not None,
        has_font=fonts is not None,
    )
    web = Web(made, service, http)
    app.state.web, app.state.identity = web, identity
    install_problem_handlers(app)
    _static_route(app, web)
    if settings.oidc_issuer:
        app.include_router(sign_in_routes(_flow(settings, identity, base_url, settings.oidc_issuer, http)))
    app.add_middleware(
        Edge,
        session_cookie=identity.cookie_name,
        https=https,
        own_origin=_origin(base_url),
        form_targets=(_origin(settings.oidc_issuer),) if settings.oidc_issuer else (),
        refuse=lambda scope: _refuse_cross_site(app, scope),
    )
    return web


def _flow(settings: Settings, identity: Identity, base_url: str, issuer: str, http: httpx.AsyncClient) -> SignIn:
    persons = TokenVerifier([Issuer(issuer, settings.oidc_client_id, http)])
    return SignIn(identity, persons, issuer, settings.oidc_client_id, settings.oidc_client_secret, base_url, http)


def _static_route(app: FastAPI, web: Web) -> None:
    async def static(_: Annotated[Principal, rule(Action.OPEN)], build: str, name: str) -> Response:
        return web.templates.static.respond(build, name)

    app.add_api_route("/static/{build}/{name:path}", static, include_in_schema=False, name="static")


def _refuse_cross_site(app: FastAPI, scope: Scope) -> Response:
    detail = "The request came from another site's page and was refused. Nothing was changed."
    request = Request({**scope, "app": app})
    return respond(request, ApudiaariError("cross_site", detail, status=403))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _version() -> str:
    try:
        return version("apudiaari")
    except PackageNotFoundError:
        return "0.1.0"
