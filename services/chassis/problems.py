"""Refusals as people and programs read them: a page for a browser, RFC 9457 problem+json for everything else.

Law: an answer says what is wrong, where and what to do, and nothing of our insides. What was sent is never repeated,
since it may be somebody's data.
"""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from services.chassis.errors import ApudiaariError, FieldError
from services.chassis.web.headers import secure

log = logging.getLogger(__name__)

TYPE = "https://yhteispalvelu.fi/problems/"
MEDIA_TYPE = "application/problem+json"
ERRORS_SHOWN = 100

_HTTP_CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
}


def install_problem_handlers(app: FastAPI) -> None:
    """Every refusal of the app answers in one of the two forms."""
    app.add_exception_handler(ApudiaariError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def respond(request: Request, error: ApudiaariError, headers: dict[str, str] | None = None) -> Response:
    """The response to an expected refusal."""
    response = _page(request, error) if _wants_page(request) else _json(request, error)
    response.headers.update(headers or {})
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    response.headers["Cache-Control"] = "no-store"
    return secure(response)


def problem(error: ApudiaariError, trace_id: str | None = None) -> dict[str, Any]:
    """The RFC 9457 object. ``code`` and ``errors[].code`` are the stable part."""
    body: dict[str, Any] = {
        "type": TYPE + error.code,
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
    }
    if error.errors:
        body["errors"] = [
            {"pointer": part.pointer, "code": part.code, "detail": part.detail} for part in error.errors[:ERRORS_SHOWN]
        ]
    if trace_id:
        body["trace_id"] = trace_id
    return body


def field_errors(failures: Sequence[Any]) -> tuple[FieldError, ...]:
    """Pydantic's failures as pointers into the body, or ``/query/day`` style for parameters; inputs are left out."""
    return tuple(
        FieldError(_pointer(failure["loc"]), str(failure["type"]), str(failure["msg"])) for failure in failures
    )


def _pointer(loc: Sequence[str | int]) -> str:
    parts = loc[1:] if loc and loc[0] == "body" else loc
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _wants_page(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return not request.url.path.startswith("/api/") and "text/html" in accept and _web(request) is not None


def _web(request: Request) -> Any:
    return getattr(request.app.state, "web", None)


def _page(request: Request, error: ApudiaariError) -> Response:
    response: Response = _web(request).render_error(request, error)
    return response


def _json(request: Request, error: ApudiaariError) -> Response:
    body = problem(error, getattr(request.state, "trace_id", None))
    return JSONResponse(body, error.status, media_type=MEDIA_TYPE)


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApudiaariError)
    return respond(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    failures = error.errors()
    if any(failure["type"] == "json_invalid" for failure in failures):
        return respond(request, ApudiaariError("malformed_json", "The body is not valid JSON.", status=400))
    detail = "The request does not have the agreed shape; errors says where."
    return respond(request, ApudiaariError("invalid_request", detail, status=422, errors=field_errors(failures)))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, "error")
    detail = HTTPStatus(error.status_code).description or HTTPStatus(error.status_code).phrase
    return respond(request, ApudiaariError(code, detail, status=error.status_code), dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error, extra={"path": request.scope.get("path")})
    detail = "Something went wrong on our side. Nothing was stored half; the same request may be sent again."
    return respond(request, ApudiaariError("internal", detail, status=500))
