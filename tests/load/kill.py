"""`make kill N=50`: kill −9 of real processes under HTTP load, judged by the clients' journals.

    python -m tests.load.kill --rounds 50 [--broker tansu] [--seed 7]

Each round kills one of: a service, PostgreSQL's postmaster, the broker (left dead for a second; or started empty). Then
it waits until a command that was sent after the kill is acknowledged, and until every projection has that command. On
Tansu the broker always starts empty and takes the services with it (design.md §10).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import asyncpg

from deploy.dev.environment import SERVICES
from deploy.dev.layout import REPOSITORY, Ports
from deploy.dev.process import free_port
from deploy.dev.supervisor import Stack
from schemas.topics import EVENT_TOPICS
from tests.load.crowd import Crowd
from tests.load.verdict import heads, judge, standing

BrokerKind = Literal["kafka", "tansu"]
TARGETS: dict[BrokerKind, tuple[str, ...]] = {
    "kafka": (*SERVICES, "postgres", "broker", "broker, emptied"),
    "tansu": (*SERVICES, "postgres", "broker, emptied"),
}
DEAD_S = 1.0
WITHIN_S = 90.0
KEPT_LOGS = REPOSITORY / ".run" / "kill-log"
Say = Callable[[str], None]


class Round(NamedTuple):
    """What was killed, and the seconds until the next acknowledgement, and until every projection had it."""

    target: str
    acknowledged_s: float
    whole_s: float


class Outcome(NamedTuple):
    """All rounds, what the clients got, and what is wrong."""

    rounds: list[Round]
    crowd: Crowd
    wrong: list[str]


def schedule(broker: BrokerKind, rounds: int, luck: random.Random) -> list[str]:
    """Every target about equally often, in an order that the seed makes."""
    targets: list[str] = []
    while len(targets) < rounds:
        targets += luck.sample(TARGETS[broker], len(TARGETS[broker]))
    return targets[:rounds]


async def kill(stack: Stack, target: str) -> None:
    """Kill −9. The supervisor starts again what it watches over; Apache Kafka is started by us, after a while."""
    match target:
        case "postgres":
            stack.postgres.kill9()
        case "broker":
            await stack.kill_broker()
            await asyncio.sleep(DEAD_S)
            await stack.start_broker()
        case "broker, emptied":
            await stack.kill_broker_and_start_empty()
        case service:
            stack.kill9(service)


async def one_round(stack: Stack, crowd: Crowd, target: str) -> Round:
    """Kill, and wait for service again."""
    killed = time.monotonic()
    killing = asyncio.create_task(kill(stack, target))
    while any(crowd.acked.get(log, (0.0, 0))[0] <= killed for log in ("diary", "agreements")):
        _in_time(killed, f"no acknowledgement after {target} was killed")
        await asyncio.sleep(0.01)
    acknowledged = time.monotonic()
    wanted = {EVENT_TOPICS[log].name: crowd.acked[log][1] for log in ("diary", "agreements")}
    await killing
    await until_folded(stack, wanted, killed)
    await stack.until_ready(within_s=WITHIN_S)
    return Round(target, acknowledged - killed, time.monotonic() - killed)


async def until_folded(stack: Stack, wanted: dict[str, int], since: float) -> None:
    """Until every active projection is sealed up to these positions."""
    behind: object = "nothing was read"
    while behind:
        _in_time(since, f"projections are behind: {behind}")
        try:
            stands = await standing(stack)
            behind = {where: at for where, at in stands.items() if at < wanted.get(where[1], 0)}
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as away:
            behind = repr(away)
        await asyncio.sleep(0.05)


def _in_time(since: float, what: str) -> None:
    if time.monotonic() - since > WITHIN_S:
        raise TimeoutError(f"after {WITHIN_S:g} s: {what}")


async def rounds_of(stack: Stack, broker: BrokerKind, rounds: int, seed: int, say: Say) -> Outcome:
    """Load, kills, rest, verdict, on a running stack."""
    luck = random.Random(seed)
    async with Crowd(stack, seed) as crowd:
        await crowd.furnish()
        await until_folded(stack, await heads(stack), time.monotonic())
        crowd.start()
        done = []
        for number, target in enumerate(schedule(broker, rounds, luck), start=1):
            await asyncio.sleep(luck.uniform(0.2, 1.0))
            done.append(await one_round(stack, crowd, target))
            say(f"{number:>4}  {target:<16}{done[-1].acknowledged_s:>9.2f}{done[-1].whole_s:>9.2f}")
        await crowd.finish()
        await until_folded(stack, await heads(stack), time.monotonic())
        return Outcome(done, crowd, await judge(stack, crowd))


def summary(outcome: Outcome) -> list[str]:
    """The table by target, and the verdict."""
    lines = ["", f"{'killed':<18}{'times':>6}{'service again s':>18}{'everywhere again s':>21}   (median, worst)"]
    for target in sorted({each.target for each in outcome.rounds}):
        acknowledged = sorted(each.acknowledged_s for each in outcome.rounds if each.target == target)
        whole = sorted(each.whole_s for each in outcome.rounds if each.target == target)
        half = len(whole) // 2
        spread = f"{acknowledged[half]:>10.2f}{acknowledged[-1]:>8.2f}{whole[half]:>13.2f}{whole[-1]:>8.2f}"
        lines.append(f"{target:<18}{len(whole):>6}{spread}")
    journals = outcome.crowd.diary, outcome.crowd.agreements
    acknowledged_count = sum(len(journal.of("acknowledged")) for journal in journals)
    got = ", ".join(f"{count} × {answer}" for answer, count in sorted(outcome.crowd.answers.items()))
    lines += ["", f"{acknowledged_count} commands acknowledged; the clients got {got}"]
    verdict = "every acknowledged command once in log, topic, feed and projections; drift 0"
    return [*lines, *(f"WRONG: {each}" for each in outcome.wrong[:20]), *([] if outcome.wrong else [verdict])]


async def run(root: Path, broker: BrokerKind, rounds: int, seed: int, say: Say) -> Outcome:
    """All of it on a stack of its own."""
    ports = Ports(free_port(), free_port(), free_port(), free_port(), {name: free_port() for name in SERVICES})
    async with Stack(root, broker=broker, ports=ports, report=lambda line: None) as stack:
        say(f"{'':>4}  {'killed':<16}{'ack s':>9}{'all s':>9}    seed {seed}, {broker}")
        return await rounds_of(stack, broker, rounds, seed, say)


def main() -> int:
    """0 when nothing was lost, doubled or adrift."""
    parser = argparse.ArgumentParser(description="kill -9 of real processes under load")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--broker", choices=("kafka", "tansu"), default="kafka")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="apudiaari-kill-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        outcome = asyncio.run(run(Path(folder), chosen.broker, chosen.rounds, chosen.seed, print))
        if outcome.wrong:
            shutil.copytree(Path(folder) / "log", KEPT_LOGS, dirs_exist_ok=True)
            print(f"the logs are kept in {KEPT_LOGS}")
    print(*summary(outcome), sep="\n")
    return bool(outcome.wrong)


if __name__ == "__main__":
    sys.exit(main())
