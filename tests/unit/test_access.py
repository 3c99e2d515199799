"""The access rules: nobody reaches another's data, whatever role, action and resource."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis import access
from services.chassis.access import PUBLIC, Action, Limit, Principal, Resource, Role
from services.chassis.errors import ApudiaariError

PARTIES = ["kela", "vero", "kunta-732", "kunta-599"]
POINTS = ["piste-732-1", "piste-599-1"]
OPEN_TO_ALL = {Action.OPEN, Action.VERIFY_RECEIPT, Action.READ_OPEN_DATA}

parties = st.sampled_from(PARTIES)
resources = st.builds(
    Resource,
    authority_ids=st.frozensets(st.sampled_from(["kela", "vero"])),
    provider_id=st.none() | parties,
    point_id=st.none() | st.sampled_from(POINTS),
    party_ids=st.frozensets(parties),
)
principals = st.builds(
    Principal,
    subject=st.just("u"),
    issuer=st.just("i"),
    roles=st.frozensets(st.sampled_from([role for role in Role if role is not Role.PUBLIC])),
    party_id=st.none() | parties,
    points=st.frozensets(st.sampled_from(POINTS)),
)


def person(*roles: Role, party: str | None = None, points: tuple[str, ...] = ()) -> Principal:
    return Principal("u", "i", frozenset(roles), party, frozenset(points))


def test_every_action_has_a_rule_and_only_known_ones() -> None:
    assert set(access.RULES) == set(Action)


@given(resources)
def test_an_authority_reaches_only_what_is_its_alone_or_what_it_is_a_party_to(resource: Resource) -> None:
    kela = person(Role.AUTHORITY, party="kela")
    for action in set(Action) - OPEN_TO_ALL - {Action.READ_REGISTER}:
        if access.may(kela, action, resource):
            assert resource.authority_ids == {"kela"} or "kela" in resource.party_ids


@given(resources)
def test_the_public_gets_nothing_but_what_is_open(resource: Resource) -> None:
    assert {action for action in Action if access.may(PUBLIC, action, resource)} == OPEN_TO_ALL


@given(resources)
def test_an_operator_sees_the_machine_and_nothing_in_it(resource: Resource) -> None:
    operator = person(Role.OPERATOR, party="kela", points=("piste-732-1",))
    granted = {action for action in Action if access.may(operator, action, resource)}
    assert granted == OPEN_TO_ALL | {Action.OPERATE}


@given(principals, resources)
def test_recording_needs_a_point_of_ones_own(who: Principal, resource: Resource) -> None:
    for action in (Action.RECORD_VISIT, Action.RECORD_DOCUMENT):
        if access.may(who, action, resource):
            assert resource.point_id in who.points


@given(principals)
def test_what_is_unknown_satisfies_no_limit(who: Principal) -> None:
    for action in Action:
        if access.may(who, action, access.NOTHING):
            assert Limit() in access.limits(who, action)


@given(st.frozensets(st.sampled_from([Role.MINISTRY, Role.AUDITOR]), min_size=1), resources)
def test_oversight_never_writes(roles: frozenset[Role], resource: Resource) -> None:
    who = person(*roles, party="vm")
    reading = {action for action in Action if action.value.split("_")[0] in ("read", "explain", "open", "verify")}
    assert {action for action in Action if access.may(who, action, resource)} <= reading


@pytest.mark.parametrize(
    ("who", "action", "resource", "allowed"),
    [
        (person(Role.ADVISER, points=("piste-732-1",)), Action.RECORD_VISIT, Resource(point_id="piste-732-1"), True),
        (person(Role.ADVISER, points=("piste-732-1",)), Action.RECORD_VISIT, Resource(point_id="piste-599-1"), False),
        (person(Role.ADVISER), Action.RECORD_VISIT, Resource(point_id=None), False),
        (person(Role.PROVIDER, party="kunta-732"), Action.READ_VISITS, Resource(provider_id="kunta-732"), True),
        (person(Role.PROVIDER, party="kunta-732"), Action.READ_VISITS, Resource(provider_id="kunta-599"), False),
        (person(Role.PROVIDER, party="kunta-732"), Action.RECORD_VISIT, Resource(provider_id="kunta-732"), False),
        (person(Role.AUTHORITY, party="kela"), Action.READ_FEED, Resource(frozenset({"kela"})), True),
        (person(Role.AUTHORITY, party="kela"), Action.READ_FEED, Resource(frozenset({"kela", "vero"})), False),
        (person(Role.AUTHORITY), Action.READ_FEED, Resource(), False),
        (person(Role.REGISTER_KEEPER), Action.READ_AGREEMENT, Resource(), True),
        (person(Role.REGISTER_KEEPER), Action.READ_VISITS, Resource(point_id="piste-732-1"), False),
        (
            person(Role.OWN_STAFF, party="kela", points=("piste-732-1",)),
            Action.RECORD_VISIT,
            Resource(frozenset({"vero"}), point_id="piste-732-1"),
            False,
        ),
    ],
)
def test_examples(who: Principal, action: Action, resource: Resource, allowed: bool) -> None:
    assert access.may(who, action, resource) is allowed


def test_refusals_differ_by_who_asks_and_tell_nothing() -> None:
    secret = Resource(frozenset({"vero"}), "kunta-599", "piste-599-1", frozenset({"vero", "kunta-599"}))
    kela = person(Role.AUTHORITY, party="kela")
    for who, action, status in [
        (PUBLIC, Action.READ_INVOICE, 401),
        (kela, Action.READ_INVOICE, 404),
        (kela, Action.READ_FEED, 403),
        (kela, Action.RECORD_VISIT, 403),
    ]:
        with pytest.raises(ApudiaariError) as refused:
            access.require(who, action, secret)
        assert refused.value.status == status
        assert not any(name in str(refused.value) for name in ("vero", "599"))


def test_a_role_check_passes_when_something_could_be_reached() -> None:
    access.require_role(person(Role.AUTHORITY, party="kela"), Action.READ_FEED)
    with pytest.raises(ApudiaariError):
        access.require_role(person(Role.AUTHORITY), Action.READ_FEED)
    with pytest.raises(ApudiaariError):
        access.require_role(person(Role.AUTHORITY, party="kela"), Action.RUN_BILLING)


def test_limits_of_several_roles_add_up() -> None:
    who = person(Role.PROVIDER, Role.MANAGER, party="kunta-732", points=("piste-732-1",))
    assert set(access.limits(who, Action.READ_VISITS)) == {
        Limit(points=frozenset({"piste-732-1"})),
        Limit(provider_id="kunta-732"),
    }
