"""Who asks, what each of the three data sets is known by, and who may see it: domain.md R36, told without `access`.

Nothing here reads ``services.chassis.access``: if a rule there is wrong, this must not be wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

POINTS = {"kunta-732": "piste-732-1", "kunta-320": "piste-320-1"}


@dataclass(frozen=True)
class Person:
    """A caller: role, organisation and points as its token says them. No role at all is the public."""

    name: str
    role: str | None = None
    party: str | None = None
    points: tuple[str, ...] = ()


def _at(role: str, party: str, provider: str | None = None) -> Person:
    point = POINTS[provider or party]
    return Person(f"{role} {party} at {point}", role, party, (point,))


PUBLIC = Person("the public")
ADVISER, OTHER_ADVISER = _at("adviser", "kunta-732"), _at("adviser", "kunta-320")
MANAGER, OTHER_MANAGER = _at("manager", "kunta-732"), _at("manager", "kunta-320")
PROVIDER, OTHER_PROVIDER = (
    Person("provider 732", "provider", "kunta-732"),
    Person("provider 320", "provider", "kunta-320"),
)
KELA, VERO = Person("kela", "authority", "kela"), Person("vero", "authority", "vero")
KELA_STAFF, VERO_STAFF = _at("own_staff", "kela", "kunta-732"), _at("own_staff", "vero", "kunta-732")
KEEPER = Person("register keeper", "register_keeper", "lvv")
MINISTRY, AUDITOR = Person("ministry", "ministry", "vm"), Person("auditor", "auditor", "vtv")
OPERATOR = Person("operator", "operator")
STRANGER = Person("a role that nobody knows", "janitor", "kunta-732")
UNATTACHED = Person("an authority without a party", "authority")

PEOPLE = (
    PUBLIC, ADVISER, OTHER_ADVISER, MANAGER, OTHER_MANAGER, PROVIDER, OTHER_PROVIDER, KELA, VERO, KELA_STAFF,
    VERO_STAFF, KEEPER, MINISTRY, AUDITOR, OPERATOR, STRANGER, UNATTACHED,
)  # fmt: skip

OVERSEES = {
    "auditor": {"diary", "agreements", "billing", "statistics"},
    "ministry": {"agreements", "billing", "statistics"},
    "register_keeper": {"agreements", "statistics"},
}
"""Services whose contents a role reads whoever they concern (R36: the register keeper sees agreements and counts)."""


@dataclass
class DataSet:
    """One authority's business at one provider, and every text by which it would be recognised.

    ``price`` is of an act; ``service`` its code. ``seen`` grows while the data is loaded: ids, numbers, sums.
    ``register``: texts that the open register also says, so that they betray nothing there.
    """

    name: str
    authority: str
    provider: str
    price: str
    service: str
    agreement: UUID
    item_text: str
    seen: set[str] = field(default_factory=set)
    register: set[str] = field(default_factory=set)
    visits: list[UUID] = field(default_factory=list)
    documents: list[UUID] = field(default_factory=list)
    stamps: list[UUID] = field(default_factory=list)
    runs: list[UUID] = field(default_factory=list)
    imports: list[UUID] = field(default_factory=list)
    invoices: list[dict[str, str]] = field(default_factory=list)

    @property
    def parties(self) -> frozenset[str]:
        """Whose business it is."""
        return frozenset({self.authority, self.provider})

    @property
    def point(self) -> str:
        return POINTS[self.provider]

    def concerns(self, person: Person, service: str) -> bool:
        """Whether the person may see this data in that service."""
        works = person.party in self.parties and person.role in _WORKING
        return works or service in OVERSEES.get(person.role or "", ())

    def traces(self, *, of_register: bool) -> set[str]:
        """What must not be found; the register is open, so its facts are no trace where it is what is read."""
        return self.seen if of_register else self.seen | self.register


_WORKING = frozenset({"adviser", "manager", "provider", "authority", "own_staff"})


def data_sets() -> tuple[DataSet, DataSet, DataSet]:
    """Kela at Salla, tax at Salla (the same room), tax at Kemijärvi (another provider)."""
    return (
        DataSet("kela-732", "kela", "kunta-732", "317.41", "asumistuki-k732", _id(1), "sovittu-kela-732-salassa"),
        DataSet("vero-732", "vero", "kunta-732", "523.67", "verokortti-v732", _id(2), "sovittu-vero-732-salassa"),
        DataSet("vero-320", "vero", "kunta-320", "749.83", "veroneuvo-v320", _id(3), "sovittu-vero-320-salassa"),
    )


def _id(number: int) -> UUID:
    return UUID(f"7e57da7a-0000-4000-8000-0000000000{number:02d}")
