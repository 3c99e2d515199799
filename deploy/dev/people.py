"""Ready persons who can sign in during development: an OpenID provider where signing in is picking one.

It runs the package `oidc-provider-mock` with a page of our own that shows who each person is. Nobody here
exists; the municipalities and authorities do. No service imports this module.

    python -m deploy.dev.people --port 8110
"""

from __future__ import annotations

import argparse
import os
from datetime import timedelta
from pathlib import Path

import flask
import oidc_provider_mock
from jinja2 import ChoiceLoader, FileSystemLoader
from werkzeug.serving import WSGIRequestHandler, make_server

from deploy.dev.persons import PERSONS, Person

_TEMPLATES = Path(__file__).parent / "templates"
_PACKAGE_TEMPLATES = Path(oidc_provider_mock.__file__).parent / "templates"
_SESSION = timedelta(hours=10)


def people_app(persons: tuple[Person, ...] = PERSONS) -> flask.Flask:
    """The provider with these persons ready to be picked."""
    # Plain http is meant here: the provider listens on this machine alone.
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    app = flask.Flask(__name__)
    app.jinja_loader = ChoiceLoader([FileSystemLoader(_TEMPLATES), FileSystemLoader(_PACKAGE_TEMPLATES)])
    app.jinja_env.globals["persons"] = persons
    oidc_provider_mock.init_app(
        app,
        require_nonce=True,
        issue_refresh_token=False,
        access_token_max_age=_SESSION,
        user_claims=[oidc_provider_mock.User(sub=person.sub, claims=person.claims()) for person in persons],
    )
    app.before_request(lambda: _only_ready_persons(persons))
    # The package turns the debugger on; a page that can show source and run code helps nobody here.
    app.debug = False
    app.wsgi_app = flask.Flask.wsgi_app.__get__(app)  # type: ignore[method-assign]
    return app


def _only_ready_persons(persons: tuple[Person, ...]) -> None:
    """Refuse to make up a person from what somebody typed."""
    chosen = flask.request.form.get("sub")
    if flask.request.path.startswith("/users") or (chosen and chosen not in {person.sub for person in persons}):
        flask.abort(404)


class _QuietHandler(WSGIRequestHandler):
    """Writes no line per request."""

    def log_request(self, *_: object) -> None:
        """Said by the class."""


def main() -> None:
    parser = argparse.ArgumentParser(description="OpenID provider with ready persons, for development only.")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    make_server("127.0.0.1", port, people_app(), threaded=True, request_handler=_QuietHandler).serve_forever()


if __name__ == "__main__":
    main()
