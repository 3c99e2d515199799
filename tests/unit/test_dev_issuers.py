"""The development issuers: tokens that verify with the published keys, and persons who can be picked."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import httpx
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, KeySet

from deploy.dev.clients import Clients
from deploy.dev.issuer import Issuer, issuer_app, kept_key
from deploy.dev.people import PERSONS, people_app

URL = "http://127.0.0.1:8111"
CALLBACK = "http://127.0.0.1:8101/sign-in/callback"


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    clients = Clients(tmp_path / "clients.json")
    clients.add_ready()
    return clients


@pytest.fixture
async def http(clients: Clients) -> AsyncIterator[httpx.AsyncClient]:
    app = issuer_app(Issuer(URL, clients.file, ECKey.generate_key("P-256")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        yield client


async def ask(http: httpx.AsyncClient, client_id: str, secret: str) -> httpx.Response:
    return await http.post("/token", data={"grant_type": "client_credentials"}, auth=(client_id, secret))


async def claims_of(http: httpx.AsyncClient, token: str) -> dict[str, Any]:
    keys = KeySet.import_key_set((await http.get("/jwks.json")).json())
    return dict(jwt.decode(token, keys, algorithms=["ES256"]).claims)


async def test_a_token_carries_the_client_and_lives_15_minutes(clients: Clients, http: httpx.AsyncClient) -> None:
    client = clients.get("adviser", "kunta-732", ("piste-732-1",))
    answer = await ask(http, client.client_id, client.client_secret)
    claims = await claims_of(http, answer.json()["access_token"])
    assert (
        claims.items()
        >= {
            "iss": URL,
            "sub": "adviser-kunta-732-piste-732-1",
            "aud": "apudiaari",
            "roles": ["adviser"],
            "party_id": "kunta-732",
            "points": ["piste-732-1"],
        }.items()
    )
    assert claims["exp"] - claims["iat"] == 900
    assert abs(claims["iat"] - time.time()) < 5
    assert answer.headers["cache-control"] == "no-store"


async def test_credentials_may_stand_in_the_form(clients: Clients, http: httpx.AsyncClient) -> None:
    client = clients.get("auditor", "vtv")
    form = {"client_id": client.client_id, "client_secret": client.client_secret}
    answer = await http.post("/token", data=form | {"grant_type": "client_credentials"})
    assert (await claims_of(http, answer.json()["access_token"]))["roles"] == ["auditor"]


@pytest.mark.parametrize("client_id", ["auditor-vtv", "nobody"])
async def test_a_wrong_secret_or_client_is_refused(http: httpx.AsyncClient, client_id: str) -> None:
    answer = await ask(http, client_id, "guess")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_malformed_credentials_and_other_grants_are_refused(http: httpx.AsyncClient) -> None:
    garbled = await http.post("/token", data={"grant_type": "client_credentials"}, headers={"Authorization": "Basic *"})
    assert garbled.status_code == 401
    other = await http.post("/token", data={"grant_type": "password"})
    assert other.json()["error"] == "unsupported_grant_type"
    assert (await http.post("/token", data={"grant_type": "x" * 5000})).status_code == 400


async def test_a_token_of_another_key_does_not_verify(http: httpx.AsyncClient) -> None:
    published = (await http.get("/jwks.json")).json()["keys"][0]["kid"]
    forged = jwt.encode({"alg": "ES256", "kid": published}, {"sub": "auditor-vtv"}, ECKey.generate_key("P-256"))
    with pytest.raises(BadSignatureError):
        await claims_of(http, forged)


async def test_the_file_of_clients_is_private_and_read_again(clients: Clients, http: httpx.AsyncClient) -> None:
    assert clients.file.stat().st_mode & 0o777 == 0o600
    first = clients.listed()[0]
    assert (await ask(http, str(first["client_id"]), str(first["client_secret"]))).status_code == 200
    late = clients.get("provider", "kunta-583")
    assert (await ask(http, late.client_id, late.client_secret)).status_code == 200
    assert Clients(clients.file).listed() == clients.listed()


def test_the_key_is_kept_and_private(tmp_path: Path) -> None:
    first = kept_key(tmp_path / "keys" / "issuer.pem")
    assert (tmp_path / "keys" / "issuer.pem").stat().st_mode & 0o777 == 0o600
    assert kept_key(tmp_path / "keys" / "issuer.pem").thumbprint() == first.thumbprint()


@pytest.fixture(scope="module")
def people() -> flask.Flask:
    return people_app()


def authorize(people: flask.Flask) -> str:
    query = {
        "response_type": "code",
        "client_id": "apudiaari",
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "state": "s",
        "nonce": "n-1",
    }
    return "/oauth2/authorize?" + str(httpx.QueryParams(query))


def test_the_page_names_every_person_and_calls_no_other_host(people: flask.Flask) -> None:
    page = people.test_client().get(authorize(people), base_url="http://127.0.0.1:8110").text
    assert all(person.name in page and person.task in unescape(page) for person in PERSONS)
    assert re.findall(r"https?://", page) == []


def test_picking_a_person_gives_its_claims(people: flask.Flask) -> None:
    browser, base = people.test_client(), "http://127.0.0.1:8110"
    back = browser.post(authorize(people), data={"sub": "aino.aapa"}, base_url=base).headers["Location"]
    code = parse_qs(urlsplit(back).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    answer = browser.post(
        "/oauth2/token", data=form | {"client_id": "apudiaari", "client_secret": "any"}, base_url=base
    )
    keys = KeySet.import_key_set(browser.get("/jwks", base_url=base).get_json())
    claims = jwt.decode(answer.get_json()["id_token"], keys, algorithms=["RS256"]).claims
    expected = {"iss": base, "sub": "aino.aapa", "aud": ["apudiaari"], "nonce": "n-1", "name": "Aino Aapa"}
    assert claims.items() >= expected.items()
    assert claims["roles"] == ["adviser"]
    assert claims["points"] == ["piste-732-1"]


def test_nobody_can_be_made_up(people: flask.Flask) -> None:
    browser, base = people.test_client(), "http://127.0.0.1:8110"
    assert browser.post(authorize(people), data={"sub": "mallory"}, base_url=base).status_code == 404
    made_up = browser.put("/users/mallory", json={"roles": ["auditor"]}, base_url=base)
    assert made_up.status_code == 404


def test_every_role_that_signs_in_has_a_person() -> None:
    roles = {role for person in PERSONS for role in person.roles}
    signing_in = {"adviser", "manager", "provider", "authority", "own_staff", "register_keeper"}
    assert roles == signing_in | {"ministry", "auditor", "operator"}
