"""What others do changes nothing in what one sees: not a figure, not a list, not a word (domain.md R36)."""

from __future__ import annotations

import pytest

from tests.support.isolation.people import ADVISER, KELA, KELA_STAFF, Person
from tests.support.isolation.views import differences
from tests.support.isolation_fixtures import Platform

pytest_plugins = ["tests.support.isolation_fixtures"]


@pytest.mark.parametrize("person", [KELA, ADVISER], ids=lambda person: person.name)
async def test_another_providers_business_changes_nothing(platform: Platform, person: Person) -> None:
    before, after = platform.views[person.name, 0], platform.views[person.name, 1]
    assert len(before) > 100
    found = differences(before, after)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("person", [KELA, KELA_STAFF], ids=lambda person: person.name)
async def test_another_authoritys_business_in_the_same_room_changes_nothing(platform: Platform, person: Person) -> None:
    found = differences(platform.views[person.name, 1], platform.views[person.name, 2])
    assert not found, "\n".join(found)


async def test_ones_own_business_does_change_what_one_sees(platform: Platform) -> None:
    """The comparison can fail: Kela's views differ from those of a platform asked about somebody else."""
    adviser, kela = platform.views[ADVISER.name, 0], platform.views[KELA.name, 0]
    assert adviser.keys() == kela.keys()
    assert len(differences(kela, adviser)) > 20
    assert any("952.23" in answer for answer in kela.values())
