"""``python -m deploy.demo``: start everything, load the synthetic network, play the story, and stay up.

With ``--once`` it ends after the story. The exit code is 0 only if every step held.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Literal

from deploy.demo.client import Callers, Journal
from deploy.demo.load import LoadFailed, load
from deploy.demo.network import SYNTHETIC, Network
from deploy.demo.story import play
from deploy.demo.telling import LANGUAGES, Teller
from deploy.demo.world import World, now
from deploy.dev.layout import REPOSITORY, Ports
from deploy.dev.persons import PERSONS
from deploy.dev.process import PartError
from deploy.dev.supervisor import Stack

VISITS = 60_000
SERVICES = ("diary", "agreements", "billing", "statistics")


async def demonstrate(
    root: Path,
    broker: Literal["tansu", "kafka"],
    teller: Teller,
    *,
    visits: int = VISITS,
    once: bool = True,
    ports: Ports | None = None,
) -> bool:
    """Everything in order; unless ``once``, it then stays until the task is cancelled. Whether every step held."""
    began = time.monotonic()
    print(f"{SYNTHETIC[teller.language]}\n")
    teller.say("start", broker="Apache Kafka" if broker == "kafka" else "Tansu")
    stack = Stack(root, broker=broker, ports=ports, report=lambda line: print(f"  {line}", flush=True))
    async with stack:
        teller.say("started", seconds=time.monotonic() - began)
        held = await _load_and_play(stack, teller, visits)
        if not once:
            closing_words(stack, teller)
            with contextlib.suppress(asyncio.CancelledError):  # Being told to end is how it ends.
                await asyncio.Event().wait()
    return held


async def _load_and_play(stack: Stack, teller: Teller, visits: int) -> bool:
    network = Network.make(today=now().date())
    with contextlib.closing(Journal(stack.root / "journal.jsonl")) as journal:
        async with Callers(lambda: stack.endpoints, journal) as callers:
            world = World(stack, callers, journal, network, teller)
            await load(world, visits)
            return await play(world)


def closing_words(stack: Stack, teller: Teller) -> None:
    """Where the pages are, and who can sign in to them."""
    print(f"\n{SYNTHETIC[teller.language]}\n\n{teller.text('pages')}:")
    for name in SERVICES:
        print(f"  {teller.text(f'page_{name}'):<16} {stack.base_urls[name]}/")
    print(f"\n{teller.text('persons')}:")
    for person in PERSONS:
        print(f"  {person.name:<14} {person.task}")
    print()
    teller.say("stays", file=stack.root / "endpoints.json")


async def _until_told(options: argparse.Namespace) -> bool:
    """The demonstration as a task that Ctrl-C and SIGTERM cancel, so that everything is ended in order."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await demonstrate(
        options.root, options.broker, Teller(options.lang), visits=options.visits, once=options.once
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--broker", choices=("tansu", "kafka"), default=os.environ.get("BROKER") or "tansu")
    parser.add_argument("--once", action="store_true", default=os.environ.get("ONCE", "") not in ("", "0"))
    parser.add_argument("--visits", type=int, default=VISITS, help="default: %(default)s; the story needs some 5,000")
    parser.add_argument("--lang", choices=LANGUAGES, default=os.environ.get("LANG_") or "fi")
    parser.add_argument("--root", type=Path, default=REPOSITORY / ".run")
    try:
        return 0 if asyncio.run(_until_told(parser.parse_args())) else 1
    except (PartError, LoadFailed) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        return 130


if __name__ == "__main__":
    sys.exit(main())
