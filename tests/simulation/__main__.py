"""`make sim`: the rule alone over 3,000 seeds, then many seeds of the whole; `SEED=17` replays one and tells it.

Environment: SEED (one seed), FIRST and SEEDS (a range, default 0 and 100).
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from deploy.dev.postgres import Postgres
from deploy.dev.process import free_port
from tests.simulation.rule_world import World as RuleWorld
from tests.simulation.world import live
from tests.support.databases import Databases

RULE_SEEDS = 3_000


def main() -> int:
    """0 when no seed ended wrong."""
    with tempfile.TemporaryDirectory(prefix="apudiaari-sim-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        postgres = Postgres(Path(folder) / "postgres", port=free_port())
        try:
            postgres.start()
            return asyncio.run(play(Databases(postgres)))
        finally:
            postgres.remove()


async def play(databases: Databases) -> int:
    """One seed with its story, or many with a line each ten."""
    one = os.environ.get("SEED", "")
    if one:
        wrong, story = await live(int(one), databases)
        print(*story, *(f"WRONG: {each}" for each in wrong), f"SEED={one}: {'wrong' if wrong else 'right'}", sep="\n")
        return bool(wrong)
    first, seeds = int(os.environ.get("FIRST", "0")), int(os.environ.get("SEEDS", "100"))
    began = time.monotonic()
    failed = [seed for seed in range(first, first + RULE_SEEDS) if RuleWorld(seed).run()]
    print(f"the rule alone: seeds {first}–{first + RULE_SEEDS - 1}, {len(failed)} wrong")
    for seed in range(first, first + seeds):
        wrong, _ = await live(seed, databases)
        if wrong:
            failed.append(seed)
            print(f"WRONG with SEED={seed}: {wrong[0]}")
        if (seed - first + 1) % 10 == 0:
            print(f"{seed - first + 1} seeds in {time.monotonic() - began:.0f} s, {len(failed)} wrong", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
