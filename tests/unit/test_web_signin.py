"""Persons sign in through a real OpenID provider; sessions stand in a real PostgreSQL; tokens are really signed."""

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from pydantic import SecretStr
from sqlalchemy import text
from werkzeug.serving import make_server

from deploy.dev.people import people_app
from services.chassis import settings as chassis_settings
from services.chassis.access import PUBLIC, Principal, Role
from services.chassis.db import Database
from services.chassis.errors import ApudiaariError
from services.chassis.identity import Identity, InvalidToken, Issuer, TokenVerifier
from services.chassis.problems import install_problem_handlers
from services.chassis.web import sessions
from services.chassis.web.sessions import ABSOLUTE, IDLE, SessionStore, create_session_table
from services.chassis.web.signin import LOGOUT_EVENT, SignIn, cookie_name, local_path, sign_in_routes
from tests.support.databases import ServiceDatabase
from tests.unit.web_gallery.app import make_app

BASE = "http://127.0.0.1:8190"
ISSUER = "https://issuer.test"
KEY = ECKey.generate_key("P-256", {"kid": "k1"})


@pytest.fixture(scope="module")
async def database_of(empty_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    made = empty_database("diary")
    owner = Database(made.owner_dsn)
    async with owner.transaction() as connection:
        await connection.run_sync(
            lambda it: create_session_table(Operations(MigrationContext.configure(it)), "diary_app")
        )
    await owner.close()
    return made


@pytest.fixture
async def database(database_of: ServiceDatabase) -> AsyncIterator[Database]:
    opened = Database(database_of.app_dsn)
    async with opened.transaction() as connection:
        await connection.execute(sessions.sessions.delete())
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, people_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)


@contextmanager
def gallery(provider: str, database: Database) -> Iterator[httpx.AsyncClient]:
    settings = chassis_settings.Settings(
        database_url=SecretStr("postgresql://unused"),
        base_urls={"diary": BASE},
        oidc_issuer=provider,
        oidc_client_secret=SecretStr("a secret+"),
    )
    yield httpx.AsyncClient(
        transport=httpx.ASGITransport(make_app(settings, database)), base_url=BASE, headers={"accept": "text/html"}
    )


async def at_provider(location: str, sub: str) -> str:
    """Pick a person on the provider's page; answers where it sends the browser back to."""
    async with httpx.AsyncClient() as outside:
        answer = await outside.post(location, data={"sub": sub})
    assert answer.status_code == 302, answer.text[:400]
    return str(answer.headers["location"])


async def sign_in(browser: httpx.AsyncClient, sub: str, next: str = "/") -> httpx.Response:
    leaving = await browser.get("/sign-in", params={"next": next})
    return await browser.get(await at_provider(leaving.headers["location"], sub))


async def test_a_person_signs_in_is_known_and_signs_out(provider: str, database: Database) -> None:
    with gallery(provider, database) as browser:
        leaving = await browser.get("/sign-in?next=/secret?a=1")
        asked = parse_qs(urlsplit(leaving.headers["location"]).query)
        assert asked["code_challenge_method"] == ["S256"] and asked["response_type"] == ["code"]
        assert {"state", "nonce", "code_challenge"} <= asked.keys()
        back = await browser.get(await at_provider(leaving.headers["location"], "kerttu.korpi"))
        assert (back.status_code, back.headers["location"]) == (303, "/secret?a=1")
        cookie = next(each for each in back.headers.get_list("set-cookie") if each.startswith("apudiaari-diary="))
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie
        assert (await browser.get("/secret")).json() == {"total": "1.00"}

        token = browser.cookies["apudiaari-diary"]
        assert (await browser.post("/sign-out", headers={"sec-fetch-site": "cross-site"})).status_code == 403
        assert (await browser.get("/secret")).status_code == 200
        out = await browser.post("/sign-out", headers={"sec-fetch-site": "same-origin"})
        assert out.headers["location"].startswith(provider + "/oauth2/end_session?")
        assert "apudiaari-diary" not in browser.cookies
        replayed = await browser.get("/secret", headers={"cookie": f"apudiaari-diary={token}"})
        assert replayed.status_code == 401, "an ended session's cookie is worth nothing"


async def test_the_rules_hold_for_the_signed_in(provider: str, database: Database) -> None:
    with gallery(provider, database) as browser:
        await sign_in(browser, "veikko.vaara")
        assert (await browser.get("/secret")).status_code == 404, "tax never sees Kela's, nor that it exists"
        await sign_in(browser, "aino.aapa")
        assert (await browser.get("/secret")).status_code == 403


async def test_the_store_holds_no_token(provider: str, database: Database) -> None:
    with gallery(provider, database) as browser:
        await sign_in(browser, "kerttu.korpi")
        async with database.reading() as connection:
            rows = (await connection.execute(text("SELECT s::text FROM web.sessions s"))).scalars().all()
        assert len(rows) == 1
        assert browser.cookies["apudiaari-diary"] not in rows[0]


async def test_each_sign_in_gets_a_new_token_and_ends_the_old(provider: str, database: Database) -> None:
    with gallery(provider, database) as browser:
        await sign_in(browser, "kerttu.korpi")
        first = browser.cookies["apudiaari-diary"]
        await sign_in(browser, "kerttu.korpi")
        assert browser.cookies["apudiaari-diary"] != first
        assert await SessionStore(database).find(first, sessions.now()) is None


@pytest.mark.parametrize("tampered", ["state", "cookie", "code"])
async def test_a_tampered_return_signs_nobody_in(provider: str, database: Database, tampered: str) -> None:
    with gallery(provider, database) as browser:
        leaving = await browser.get("/sign-in")
        back = await at_provider(leaving.headers["location"], "kerttu.korpi")
        if tampered == "cookie":
            browser.cookies.clear()
        else:
            back = back.replace(f"{tampered}=", f"{tampered}=x")
        answer = await browser.get(back)
        assert answer.status_code == 400 and "apudiaari-diary" not in browser.cookies
        assert "<h1>" in answer.text


async def test_a_code_of_another_sign_in_is_refused(provider: str, database: Database) -> None:
    with gallery(provider, database) as attacker, gallery(provider, database) as victim:
        theirs = await at_provider((await attacker.get("/sign-in")).headers["location"], "veikko.vaara")
        mine = await at_provider((await victim.get("/sign-in")).headers["location"], "kerttu.korpi")
        code = parse_qs(urlsplit(theirs).query)["code"][0]
        state = parse_qs(urlsplit(mine).query)["state"][0]
        answer = await victim.get("/sign-in/callback", params={"code": code, "state": state})
        assert answer.status_code == 400, "the nonce of the ID token is not this browser's"


@pytest.mark.parametrize(
    ("wanted", "path"),
    [("/a?b=1", "/a?b=1"), ("//evil.test", "/"), ("https://evil.test", "/"), ("/\\evil.test", "/"), ("/\t/e", "/"),
     ("", "/"), (None, "/"), ("javascript:alert(1)", "/")],
)  # fmt: skip
def test_the_way_on_never_leaves_the_site(wanted: str | None, path: str) -> None:
    assert local_path(wanted) == path


# ---- Sessions


WHO = Principal("s", "i", frozenset({Role.ADVISER, Role.PUBLIC}), "kunta-732", frozenset({"piste-732-1"}), "Ä")


async def test_a_session_idles_out_and_expires(database: Database) -> None:
    store, start = SessionStore(database), sessions.now()
    token = await store.create(WHO, None, start)
    assert await store.find(token, start + IDLE - timedelta(seconds=1)) == WHO
    assert await store.find(token, start + 2 * IDLE - timedelta(seconds=2)) == WHO, "use keeps it alive"
    assert await store.find(token, start + 3 * IDLE) is None
    kept = await store.create(WHO, None, start)
    at = start
    while at < start + ABSOLUTE - IDLE:
        at += IDLE - timedelta(minutes=1)
        assert await store.find(kept, min(at, start + ABSOLUTE - timedelta(seconds=1))) == WHO
    assert await store.find(kept, start + ABSOLUTE) is None


async def test_dead_sessions_are_swept_at_the_next_sign_in(database: Database) -> None:
    store, start = SessionStore(database), sessions.now()
    await store.create(WHO, None, start - 2 * ABSOLUTE)
    await store.create(WHO, None, start)
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM web.sessions"))).scalar_one() == 1


async def test_back_channel_logout_ends_the_named_sessions_only(database: Database) -> None:
    store, at = SessionStore(database), sessions.now()
    one, two = await store.create(WHO, "sid1", at), await store.create(WHO, "sid2", at)
    assert await store.end_of("other", "s", None) == 0
    assert await store.end_of("i", None, "sid1") == 1
    assert await store.find(one, at) is None and await store.find(two, at) == WHO
    assert await store.end_of("i", "s", None) == 1


# ---- Bearer tokens, from an issuer that answers over HTTP


class Keys:
    """An issuer's HTTP side: counts what is fetched; keys can be changed."""

    def __init__(self) -> None:
        self.keys, self.fetched = [KEY], 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.fetched += 1
        body = {"issuer": ISSUER, "jwks_uri": ISSUER + "/jwks"}
        if scope["path"] == "/jwks":
            body = {"keys": [key.as_dict(private=False) for key in self.keys]}  # type: ignore[dict-item]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@pytest.fixture
async def issuer() -> AsyncIterator[tuple[Keys, TokenVerifier]]:
    keys = Keys()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(keys)) as http:
        yield keys, TokenVerifier([Issuer(ISSUER, "apudiaari", http)])


def token(key: Any = KEY, alg: str = "ES256", header: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": "apudiaari", "sub": "m", "exp": time.time() + 60, "roles": ["authority", "king"],
              "party_id": "kela", "points": [], "name": "Kela"}  # fmt: skip
    merged = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": key.kid, **(header or {})}, merged, key)


async def test_a_good_token_is_verified_once(issuer: tuple[Keys, TokenVerifier]) -> None:
    keys, verifier = issuer
    good = token()
    who = await verifier.principal(good)
    assert who == Principal("m", ISSUER, frozenset({Role.AUTHORITY, Role.PUBLIC}), "kela", frozenset(), "Kela")
    fetched = keys.fetched
    assert await verifier.principal(good) == who
    await verifier.principal(token(sub="n"))
    assert keys.fetched == fetched, "keys are kept"


@pytest.mark.parametrize(
    "bad",
    [
        token(aud="other"),
        token(aud=None),
        token(exp=time.time() - 3600),
        token(exp=None),
        token(iss="https://evil.test"),
        token(sub=None),
        token(ECKey.generate_key("P-256", {"kid": "k1"})),
        token(ECKey.generate_key("P-256", {"kid": "k9"})),
        token(OctKey.import_key("0123456789abcdef0123456789abcdef", {"kid": "k1"}), "HS256"),
        token(events={LOGOUT_EVENT: {}}),
        token()[:-8] + "AAAAAAAA",
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0In0.",
        "nonsense",
        "a.b.c",
        "",
    ],
)
async def test_bad_tokens_are_refused_without_repeating_them(issuer: tuple[Keys, TokenVerifier], bad: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        await issuer[1].principal(bad)
    assert refused.value.status == 401
    assert not bad or bad not in str(refused.value)


async def test_an_unknown_key_is_asked_for_but_not_for_ever(issuer: tuple[Keys, TokenVerifier]) -> None:
    keys, verifier = issuer
    await verifier.principal(token())
    new = ECKey.generate_key("P-256", {"kid": "k2"})
    keys.keys = [new]
    one = verifier.issuer(ISSUER)
    before = keys.fetched
    for _ in range(20):
        with pytest.raises(InvalidToken):
            await verifier.principal(token(new))
    assert keys.fetched == before, "asked a moment ago"
    one.fetched_s -= 11
    assert (await verifier.principal(token(new))).subject == "m"
    assert keys.fetched == before + 1


async def test_an_issuer_that_is_silent_is_our_503() -> None:
    async with httpx.AsyncClient(timeout=0.2) as http:
        verifier = TokenVerifier([Issuer(ISSUER, "apudiaari", http, "http://127.0.0.1:9/jwks")])
        with pytest.raises(ApudiaariError) as refused:
            await verifier.principal(token())
    assert refused.value.status == 503


async def test_a_bad_bearer_is_never_anonymous(provider: str, database: Database) -> None:
    with gallery(provider, database) as browser:
        assert (await browser.get("/", headers={"authorization": "Bearer nonsense"})).status_code == 401
        assert (await browser.get("/", headers={"authorization": "Basic eDp5"})).status_code == 401
        assert (await browser.get("/", headers={"cookie": "apudiaari-diary=unknown"})).status_code == 200
    assert PUBLIC.anonymous


# ---- Back-channel logout and https, with an issuer whose tokens we sign ourselves


def logout_token(**changes: Any) -> str:
    return token(**{"roles": None, "iat": int(time.time()), "jti": "j", "events": {LOGOUT_EVENT: {}}, **changes})


@pytest.fixture
async def logout(database: Database) -> AsyncIterator[tuple[httpx.AsyncClient, SessionStore]]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Keys())) as http:
        persons = TokenVerifier([Issuer(ISSUER, "apudiaari", http)])
        identity = Identity(TokenVerifier([]), SessionStore(database), cookie_name("diary", https=True))
        flow = SignIn(identity, persons, ISSUER, "apudiaari", SecretStr(""), "https://diary.test", http)
        app = FastAPI()
        app.state.identity = identity
        install_problem_handlers(app)
        app.include_router(sign_in_routes(flow))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://diary.test") as client:
            yield client, identity.sessions


@pytest.mark.parametrize(
    ("changes", "status", "left"),
    [
        ({}, 200, False),
        ({"sub": None, "sid": "sid1"}, 200, False),
        ({"sub": "somebody-else"}, 200, True),
        ({"nonce": "n"}, 400, True),
        ({"events": None}, 400, True),
        ({"jti": None}, 401, True),
        ({"aud": "other"}, 401, True),
        ({"sub": None}, 400, True),
    ],
)
async def test_the_provider_can_sign_a_person_out(
    logout: tuple[httpx.AsyncClient, SessionStore], changes: dict[str, Any], status: int, left: bool
) -> None:
    client, store = logout
    at = sessions.now()
    session = await store.create(Principal("m", ISSUER, frozenset({Role.ADVISER})), "sid1", at)
    answer = await client.post("/sign-out/back-channel", data={"logout_token": logout_token(**changes)})
    assert answer.status_code == status
    assert (await store.find(session, at) is not None) is left


async def test_over_https_cookies_are_bound_to_the_host(logout: tuple[httpx.AsyncClient, SessionStore]) -> None:
    answer = await logout[0].post("/sign-out")
    assert answer.headers["set-cookie"].startswith("__Host-apudiaari-diary=")
    assert "Secure" in answer.headers["set-cookie"] and "HttpOnly" in answer.headers["set-cookie"]


async def test_over_https_browsers_are_told_to_stay_there(provider: str, database: Database) -> None:
    settings = chassis_settings.Settings(
        database_url=SecretStr("postgresql://unused"), base_urls={"diary": "https://diary.test"}
    )
    transport = httpx.ASGITransport(make_app(settings, database))
    async with httpx.AsyncClient(transport=transport, base_url="https://diary.test") as client:
        answer = await client.get("/?lang=sv")
    assert "max-age=63072000" in answer.headers["strict-transport-security"]
    assert "Secure" in answer.headers["set-cookie"]
