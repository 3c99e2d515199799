"""Who may do what: every access rule of the four services, on one page.

The rule of the house (domain.md R36): an authority sees only its own events and documents, a provider sees its
points, the register keeper sees agreements and counts. ``RULES`` says, per action and role, how far that role
reaches. One table answers two questions, so they cannot disagree: ``may`` for one thing, ``limits`` for a list
(which rows may this principal see).

Invariants:
- What the table does not grant is refused. A service never writes ``if role == …``.
- A resource that concerns several authorities is nobody's single authority's: it must be cut down to that
  authority's part before it is asked about.
- Refusals carry no data of the resource. Where existence itself is another's secret the answer is 404.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from services.chassis.errors import ApudiaariError


class Role(StrEnum):
    """Roles as they stand in the token's ``roles`` claim."""

    ADVISER = "adviser"
    MANAGER = "manager"
    PROVIDER = "provider"
    AUTHORITY = "authority"
    OWN_STAFF = "own_staff"
    REGISTER_KEEPER = "register_keeper"
    MINISTRY = "ministry"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    PUBLIC = "public"


class Action(StrEnum):
    """What a route does. Each route declares exactly one (``identity.rule``)."""

    OPEN = "open"  # Front page, sign-in, health, static files, the API description: nothing personal.
    VERIFY_RECEIPT = "verify_receipt"
    READ_OPEN_DATA = "read_open_data"
    RECORD_VISIT = "record_visit"
    READ_VISITS = "read_visits"
    IMPORT_VISITS = "import_visits"
    RECORD_DOCUMENT = "record_document"
    READ_RECEIPT = "read_receipt"
    ACKNOWLEDGE_DOCUMENT = "acknowledge_document"
    MANAGE_PARTIES = "manage_parties"
    READ_REGISTER = "read_register"
    MANAGE_POINTS = "manage_points"
    MANAGE_SERVICES = "manage_services"
    PROPOSE_AGREEMENT = "propose_agreement"
    APPROVE_AGREEMENT = "approve_agreement"
    TERMINATE_AGREEMENT = "terminate_agreement"
    READ_AGREEMENT = "read_agreement"
    RUN_BILLING = "run_billing"
    READ_INVOICE = "read_invoice"
    EXPLAIN_INVOICE = "explain_invoice"
    DISPUTE_INVOICE = "dispute_invoice"
    PREVIEW_BILLING = "preview_billing"
    READ_FEED = "read_feed"
    READ_STATISTICS = "read_statistics"
    OPERATE = "operate"  # Parked records, rebuilds: the machine, never its contents.


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks: a signed-in person, a machine client, or the public.

    ``party_id`` is the organisation the principal acts for; ``points`` the service points it works at.
    """

    subject: str
    issuer: str
    roles: frozenset[Role]
    party_id: str | None = None
    points: frozenset[str] = frozenset()
    name: str = ""

    @property
    def anonymous(self) -> bool:
        """True for the public, who have not signed in."""
        return not self.subject


PUBLIC = Principal(subject="", issuer="", roles=frozenset({Role.PUBLIC}))


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked about. Leave unknown what does not apply; what is unknown never satisfies a limit."""

    authority_ids: frozenset[str] = field(default_factory=frozenset)
    provider_id: str | None = None
    point_id: str | None = None
    party_ids: frozenset[str] = field(default_factory=frozenset)


NOTHING = Resource()


class Reach(StrEnum):
    """How far a role reaches in one action."""

    ALL = "all"
    POINT = "point"  # A point the principal works at.
    PROVIDER = "provider"  # What belongs to the principal's organisation as provider.
    AUTHORITY = "authority"  # What concerns the principal's authority and no other.
    PARTY = "party"  # What the principal's organisation is a party to.
    OWN_AT_POINT = "own_at_point"  # The authority's own business at a point its staff works at.


ALL, POINT, PROVIDER = Reach.ALL, Reach.POINT, Reach.PROVIDER
AUTHORITY, PARTY, OWN_AT_POINT = Reach.AUTHORITY, Reach.PARTY, Reach.OWN_AT_POINT

_ANYONE: Mapping[Role, Reach] = dict.fromkeys(Role, ALL)
_AT_THE_COUNTER = {Role.ADVISER: POINT, Role.MANAGER: POINT, Role.OWN_STAFF: OWN_AT_POINT}
_BOTH_SIDES = {Role.PROVIDER: PARTY, Role.AUTHORITY: PARTY}
_OVERSIGHT = {Role.MINISTRY: ALL, Role.AUDITOR: ALL}
_SIGNED_IN: Mapping[Role, Reach] = {role: ALL for role in Role if role not in (Role.PUBLIC, Role.OPERATOR)}

RULES: Mapping[Action, Mapping[Role, Reach]] = {
    Action.OPEN: _ANYONE,
    Action.VERIFY_RECEIPT: _ANYONE,
    Action.READ_OPEN_DATA: _ANYONE,
    # The diary.
    Action.RECORD_VISIT: _AT_THE_COUNTER,
    Action.READ_VISITS: {**_AT_THE_COUNTER, Role.PROVIDER: PROVIDER, Role.AUDITOR: ALL},
    Action.IMPORT_VISITS: {Role.MANAGER: POINT, Role.PROVIDER: PROVIDER},
    Action.RECORD_DOCUMENT: _AT_THE_COUNTER,
    Action.READ_RECEIPT: {
        **_AT_THE_COUNTER,
        Role.PROVIDER: PROVIDER,
        Role.AUTHORITY: AUTHORITY,
        Role.AUDITOR: ALL,
    },
    Action.ACKNOWLEDGE_DOCUMENT: {Role.AUTHORITY: AUTHORITY, Role.OWN_STAFF: OWN_AT_POINT},
    # The register and the agreements.
    Action.MANAGE_PARTIES: {Role.REGISTER_KEEPER: ALL},
    Action.READ_REGISTER: _SIGNED_IN,  # Parties, points and services are public facts, shown to who works here.
    Action.MANAGE_POINTS: {Role.REGISTER_KEEPER: ALL, Role.PROVIDER: PROVIDER},
    Action.MANAGE_SERVICES: {Role.REGISTER_KEEPER: ALL, Role.AUTHORITY: AUTHORITY},
    Action.PROPOSE_AGREEMENT: _BOTH_SIDES,
    Action.APPROVE_AGREEMENT: _BOTH_SIDES,
    Action.TERMINATE_AGREEMENT: _BOTH_SIDES,
    Action.READ_AGREEMENT: {
        **_BOTH_SIDES,
        **_OVERSIGHT,
        Role.REGISTER_KEEPER: ALL,
        Role.ADVISER: PARTY,
        Role.MANAGER: PARTY,
        Role.OWN_STAFF: PARTY,
    },
    # Billing.
    Action.RUN_BILLING: {Role.PROVIDER: PROVIDER},
    Action.READ_INVOICE: {**_BOTH_SIDES, **_OVERSIGHT},
    Action.EXPLAIN_INVOICE: {**_BOTH_SIDES, **_OVERSIGHT},
    Action.DISPUTE_INVOICE: {Role.AUTHORITY: PARTY},
    Action.PREVIEW_BILLING: _BOTH_SIDES,
    # What authorities and steering read.
    Action.READ_FEED: {Role.AUTHORITY: AUTHORITY, Role.AUDITOR: ALL},
    Action.READ_STATISTICS: {
        Role.ADVISER: POINT,
        Role.MANAGER: POINT,
        Role.PROVIDER: PROVIDER,
        Role.AUTHORITY: AUTHORITY,
        Role.OWN_STAFF: OWN_AT_POINT,
        Role.REGISTER_KEEPER: ALL,
        **_OVERSIGHT,
    },
    Action.OPERATE: {Role.OPERATOR: ALL},
}

EXISTENCE_IS_SECRET = frozenset(
    {
        Action.READ_RECEIPT,
        Action.READ_AGREEMENT,
        Action.READ_INVOICE,
        Action.EXPLAIN_INVOICE,
        Action.DISPUTE_INVOICE,
    }
)


@dataclass(frozen=True, slots=True)
class Limit:
    """One alternative of what a principal may see: all the given conditions must hold. ``None`` is no condition."""

    points: frozenset[str] | None = None
    provider_id: str | None = None
    authority_id: str | None = None
    party_id: str | None = None

    @property
    def everything(self) -> bool:
        """True when no condition is set."""
        return self == Limit()

    def admits(self, resource: Resource) -> bool:
        """Whether the resource meets every condition."""
        return (
            (self.points is None or resource.point_id in self.points)
            and (self.provider_id is None or resource.provider_id == self.provider_id)
            and (self.authority_id is None or resource.authority_ids == {self.authority_id})
            and (self.party_id is None or self.party_id in resource.party_ids)
        )


@lru_cache(maxsize=4096)
def limits(principal: Principal, action: Action) -> tuple[Limit, ...]:
    """What the principal may see or touch in this action: any of the limits suffices, none means nothing.

    A service turns them into the WHERE of a list: rows that meet at least one limit.
    """
    granted = RULES[action]
    found = (_limit(granted[role], principal) for role in sorted(principal.roles) if role in granted)
    return tuple(dict.fromkeys(limit for limit in found if limit is not None))


def _limit(reach: Reach, principal: Principal) -> Limit | None:
    if reach is ALL:
        return Limit()
    if reach is POINT:
        return Limit(points=principal.points) if principal.points else None
    if principal.party_id is None:
        return None
    if reach is OWN_AT_POINT:
        return Limit(points=principal.points, authority_id=principal.party_id) if principal.points else None
    return {
        PROVIDER: Limit(provider_id=principal.party_id),
        AUTHORITY: Limit(authority_id=principal.party_id),
        PARTY: Limit(party_id=principal.party_id),
    }[reach]


def may(principal: Principal, action: Action, resource: Resource = NOTHING) -> bool:
    """Whether the principal may do the action on the resource. Pure."""
    return any(limit.admits(resource) for limit in limits(principal, action))


def require(principal: Principal, action: Action, resource: Resource = NOTHING) -> None:
    """Raise unless ``may``: 401 for the public, 404 where existence is another's secret, else 403.

    The texts name nothing of the resource, so that a refusal tells nobody about another's data.
    """
    if not may(principal, action, resource):
        raise refusal(principal, secret=action in EXISTENCE_IS_SECRET)


def require_role(principal: Principal, action: Action) -> None:
    """Raise unless some resource exists on which the principal may do the action: the check before the handler."""
    if not limits(principal, action):
        raise refusal(principal, secret=False)


def refusal(principal: Principal, *, secret: bool) -> ApudiaariError:
    """The error to raise; public so that a service can answer a missing thing and a forbidden one alike."""
    if principal.anonymous:
        return ApudiaariError("unauthenticated", "Sign in, or send a bearer token of a trusted issuer.", status=401)
    if secret:
        return ApudiaariError("not_found", "There is no such thing, or it is not yours to see.", status=404)
    return ApudiaariError("forbidden", "Your role or organisation does not reach this.", status=403)
