"""The gallery as an app: ``uvicorn tests.unit.web_gallery.app:app --port 8190``."""

from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, SecretStr
from starlette.responses import Response

import tests.unit.web_gallery as package
from services.chassis import access
from services.chassis.access import Action, Principal, Resource, Role
from services.chassis.db import Database
from services.chassis.errors import Conflict
from services.chassis.identity import rule
from services.chassis.settings import Settings
from services.chassis.web import charts
from services.chassis.web.format import Formatter
from services.chassis.web.listing import listing
from services.chassis.web.shell import mount_web

DATABASE_URL = "postgresql://nobody@127.0.0.1:1/none"
ADVISER = Principal(
    "u1", "test", frozenset({Role.ADVISER, Role.PUBLIC}), "kunta-732", frozenset({"piste-732-1"}), "Aino Aapasaari"
)
POINTS = ["Pedersöre", "Uusikaarlepyy", "Salla", "Åland", "Äänekoski", "Öja", "Utsjoki", "Enontekiö"]


class Body(BaseModel):
    """A body with a bound, to see what a refusal says."""

    quantity: Annotated[int, "bounded"]


def make_app(settings: Settings | None = None, database: Database | None = None) -> FastAPI:
    """The gallery with the shell mounted."""
    settings = settings or Settings(
        database_url=SecretStr(DATABASE_URL),
        base_urls={
            "diary": "http://127.0.0.1:8190",
            "agreements": "http://127.0.0.1:8102",
            "billing": "http://127.0.0.1:8103",
            "statistics": "http://127.0.0.1:8104",
        },
        oidc_issuer="http://127.0.0.1:8110",
        synthetic=True,
    )
    app = FastAPI(openapi_url=None)
    web = mount_web(app, settings, "diary", database=database or Database(DATABASE_URL), package=package, strict=True)

    @app.get("/")
    async def gallery(request: Request, _: Annotated[Principal, rule(Action.OPEN)], empty: bool = False) -> Response:
        if request.query_params.get("who") == "adviser":
            request.state.principal = ADVISER
        fmt = web.formatter(request)
        page = listing(request, ("point", "visits", "total"), default="point").counted(0 if empty else 1234)
        return web.page(
            request, "gallery.html", listing=page, rows=[] if empty else table_rows(fmt), figures=figures(fmt)
        )

    @app.get("/secret")
    async def secret(who: Annotated[Principal, rule(Action.READ_INVOICE)]) -> dict[str, str]:
        access.require(who, Action.READ_INVOICE, Resource(party_ids=frozenset({"kela"})))
        return {"total": "1.00"}

    @app.get("/stale")
    async def stale(_: Annotated[Principal, rule(Action.OPEN)]) -> None:
        raise Conflict("stale", "Somebody was first.")

    @app.get("/broken")
    async def broken(_: Annotated[Principal, rule(Action.OPEN)]) -> None:
        raise RuntimeError("the password is hunter2")

    @app.post("/api/bodies")
    async def bodies(_: Annotated[Principal, rule(Action.OPEN)], body: Body) -> Body:
        return body

    return app


def table_rows(fmt: Formatter) -> list[dict[str, str]]:
    """Long and short names, large and negative figures."""
    return [
        {
            "point": name,
            "date": fmt.date("2026-11-24"),
            "visits": fmt.number(17 * 7**at % 9973),
            "total": fmt.money(total),
        }
        for at, (name, total) in enumerate(
            zip(fmt.in_order(POINTS), ["12345.6", "-3.5", "0", "99.95", "1200", "4711", "3", "88.1"], strict=True)
        )
    ]


def figures(fmt: Formatter) -> list[charts.Figure]:
    """One chart of each kind."""
    months = [f"2026-{month:02d}" for month in range(1, 13)]
    labels = [fmt.short_month(month) for month in months]
    counter = [4100, 3900, 4400, 4200, 4050, 3600, 2100, 3900, 4500, 4800, 4700, 3800]
    remote = [300, 340, 420, 480, 520, 560, 400, 700, 860, 990, 1100, 1040]
    phone = [900, 880, 860, 850, 810, 790, 600, 780, 760, 720, None, 700]
    days = [fmt.weekday(day) for day in range(1, 6)]
    hours = [str(hour) for hour in range(8, 17)]
    grid = [
        [(day * 13 + hour * hour * 7) % 90 if hour < 15 or day < 4 else None for hour in range(8, 17)]
        for day in range(5)
    ]
    number = fmt.number
    series: dict[str, list[Any]] = {"Paikan päällä": counter, "Etäpalvelu": remote, "Puhelin": phone}
    whole: dict[str, list[Any]] = {"Paikan päällä": counter, "Etäpalvelu": remote}
    bars = [("Kansaneläkelaitos", 12345.0), ("Verohallinto", 6120.0), ("Digi- ja väestötietovirasto", 3150.0),
            ("Poliisi", 842.0), ("Ulosottolaitos", 0.0)]  # fmt: skip
    return [
        charts.line_chart("c1", "Asioinnit kanavittain", "Etäpalvelu kolminkertaistui vuoden aikana.", labels, series,
                          label="Kuukausi", number=number),
        charts.bar_chart("c2", "Palvelutapahtumat viranomaisittain", "Kela on yli puolet kaikista.", bars,
                         label="Viranomainen", value_label="Palvelutapahtumia", number=number),
        charts.stacked_chart("c3", "Asioinnit yhteensä", "Heinäkuu on hiljaisin.", labels, whole,
                             label="Kuukausi", number=number),
        charts.heat_chart("c4", "Asioinnit viikonpäivän ja tunnin mukaan", "Aamupäivät ovat kiireisimpiä.", days, hours,
                          grid, label="Viikonpäivä", number=number),
    ]  # fmt: skip


app = make_app()
