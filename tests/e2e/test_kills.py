"""Ten rounds of `make kill` on Apache Kafka, and the proof that its verdict can be another."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.dev.environment import SERVICES
from deploy.dev.layout import Ports
from deploy.dev.process import free_port
from deploy.dev.supervisor import Stack
from tests.load.kill import rounds_of, schedule, summary
from tests.load.verdict import judge
from tests.simulation.journal import ACKNOWLEDGED
from tests.support.unproven import require_kafka_tools

ROUNDS, SEED = 10, 3


class HastyStack(Stack):
    """Sessions of 6 s: after a kill the group waits that long for who will not come back (20 s as we run it)."""

    def environment(self, service: str) -> dict[str, str]:
        return super().environment(service) | {"APUDIAARI_KAFKA_SESSION_MS": "6000"}


@pytest.mark.kafka
@pytest.mark.postgres
async def test_ten_kills_lose_and_double_nothing(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require_kafka_tools()
    ports = Ports(free_port(), free_port(), free_port(), free_port(), {name: free_port() for name in SERVICES})
    root = run_folder / "kills"
    try:
        async with HastyStack(root, broker="kafka", ports=ports) as stack:
            outcome = await rounds_of(stack, "kafka", ROUNDS, SEED, lambda line: None)
            with capsys.disabled():
                print(*summary(outcome), sep="\n")
            assert outcome.wrong == []
            assert len(outcome.crowd.diary.of(ACKNOWLEDGED)) > 50
            # The same verdict on falsehoods: a command that was never carried out, and one cell of each projection.
            forged = outcome.crowd.diary.wish(str(uuid4()))
            forged.state = ACKNOWLEDGED
            assert await _wrong(stack, outcome) == [f"diary: {forged.id} was acknowledged and is lost"]
            del outcome.crowd.diary.wishes[forged.id]
            for service, statement in FALSEHOODS.items():
                stack.postgres.sql(statement, f"apudiaari_{service}")
                assert any(service in each for each in await _wrong(stack, outcome)), service
    finally:
        shutil.rmtree(root, ignore_errors=True)


async def _wrong(stack: Stack, outcome: object) -> list[str]:
    return await judge(stack, outcome.crowd)  # type: ignore[attr-defined]


FALSEHOODS = {
    "statistics": "UPDATE statistics_v1.acts_day SET acts = acts + 1 WHERE ctid = "
    "(SELECT min(ctid) FROM statistics_v1.acts_day WHERE acts > 0);",
    "billing": "DELETE FROM billing_v1.acts WHERE ctid = (SELECT min(ctid) FROM billing_v1.acts);",
}


def test_every_target_has_its_turn() -> None:
    import random

    for broker, rounds in (("kafka", 7), ("tansu", 6)):
        planned = schedule(broker, rounds, random.Random(1))  # type: ignore[arg-type]
        assert len(set(planned)) == rounds
