"""The helper that runs real service processes for tests, here with stand-ins in place of services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deploy.dev.broker import Broker
from deploy.dev.process import PartDied
from deploy.dev.tansu import Tansu
from schemas.topics import EVENT_TOPICS
from tests.support.databases import Databases, ServiceDatabase
from tests.support.run_stack import no_topics, stand_in_command
from tests.support.tokens import TokenIssuer
from tests.support.world import World


class Unmigrated(Databases):
    """Databases of stand-ins, which have nothing to migrate."""

    def migrated(self, service: str) -> ServiceDatabase:
        return self.empty(service)


@pytest.fixture
async def stand_ins(
    run_folder: Path, tansu: Tansu, databases: Databases, token_issuer: TokenIssuer
) -> AsyncIterator[World]:
    made = World(
        run_folder,
        tansu,
        Unmigrated(databases.postgres),
        token_issuer,
        command=stand_in_command,
        create_topics=no_topics,
    )
    yield made
    await made.end()


async def ask(world: World, service: str) -> dict[str, object]:
    async with httpx.AsyncClient() as http:
        return dict((await http.get(world.base_urls[service] + "/health/ready")).json())


async def test_a_killed_process_comes_back_on_the_same_database(stand_ins: World) -> None:
    await stand_ins.start("diary", "billing")
    before = await ask(stand_ins, "diary")
    stand_ins.kill9("diary")
    with pytest.raises(httpx.TransportError):
        await ask(stand_ins, "diary")
    await stand_ins.start("diary")
    after = await ask(stand_ins, "diary")
    assert after["pid"] != before["pid"]
    assert after["told"] == before["told"]


async def test_a_process_that_cannot_start_shows_its_last_words(stand_ins: World) -> None:
    stand_ins._command = lambda *_: ["/bin/sh", "-c", "echo no such feed secret; exit 3"]
    with pytest.raises(PartDied, match="billing ended with 3:\nno such feed secret"):
        await stand_ins.start("billing")


async def test_the_platforms_topics_are_made_and_making_them_again_does_no_harm(
    broker: Broker, run_folder: Path, databases: Databases, token_issuer: TokenIssuer
) -> None:
    broker.clear()
    unmigrated = Unmigrated(databases.postgres)
    here = World(run_folder, broker, unmigrated, token_issuer)
    await here.create_topics()
    await here.create_topics()
    assert broker.topics() >= {topic.name for topic in EVENT_TOPICS.values()}
    await here.end()


def test_tokens_of_two_authorities_differ(token_issuer: TokenIssuer) -> None:
    assert token_issuer.headers("authority", "kela") != token_issuer.headers("authority", "vero")
    assert token_issuer.token("authority", "kela") == token_issuer.token("authority", "kela")
