"""The ready persons of the development stack. Nobody here exists; the municipalities and authorities do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """A ready person: `sub` is the subject of its tokens; `task` says in Finnish what it does, for the page."""

    sub: str
    name: str
    roles: tuple[str, ...]
    task: str
    party_id: str | None = None
    points: tuple[str, ...] = ()

    def claims(self) -> dict[str, object]:
        """What its tokens say, in the claims that services read."""
        return {
            "name": self.name,
            "roles": list(self.roles),
            "party_id": self.party_id,
            "points": list(self.points),
        }


PERSONS = (
    Person(
        "aino.aapa", "Aino Aapa", ("adviser",), "Palveluneuvoja, Sallan asiointipiste", "kunta-732", ("piste-732-1",)
    ),
    Person(
        "eino.eramaa",
        "Eino Erämaa",
        ("adviser", "manager"),
        "Palvelupisteen vastaava, Sallan asiointipiste",
        "kunta-732",
        ("piste-732-1",),
    ),
    Person("petra.purola", "Petra Purola", ("provider",), "Sopimusvastaava, Sallan kunta", "kunta-732"),
    Person("kerttu.korpi", "Kerttu Korpi", ("authority",), "Kelan yhteyshenkilö", "kela"),
    Person("veikko.vaara", "Veikko Vaara", ("authority",), "Verohallinnon yhteyshenkilö", "vero"),
    Person(
        "oona.oja",
        "Oona Oja",
        ("own_staff",),
        "Kelan asiantuntija, vastaanotto Sallassa",
        "kela",
        ("piste-732-1",),
    ),
    Person("rauha.ranta", "Rauha Ranta", ("register_keeper",), "Yhteispalvelurekisterin pitäjä", "lvv"),
    Person("maija.maki", "Maija Mäki", ("ministry",), "Valtiovarainministeriön erityisasiantuntija", "vm"),
    Person("taisto.tarkka", "Taisto Tarkka", ("auditor",), "Tarkastaja, Valtiontalouden tarkastusvirasto", "vtv"),
    Person("onni.ohjelma", "Onni Ohjelma", ("operator",), "Järjestelmän ylläpitäjä"),
)
