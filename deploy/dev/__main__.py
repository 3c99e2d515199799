"""`python -m deploy.dev`: run all of Apudiaari on this machine, without data, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Literal

from deploy.dev.layout import REPOSITORY
from deploy.dev.process import PartError
from deploy.dev.supervisor import Stack


async def stay_up(root: Path, broker: Literal["tansu", "kafka"]) -> None:
    """Run the stack until this task is cancelled, by Ctrl-C or SIGTERM."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with Stack(root, broker=broker, report=print) as stack:
        print(json.dumps(stack.base_urls, indent=1))
        print(f"Clients and their secrets: {stack.root / 'endpoints.json'}. Ctrl-C ends everything.", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.dev", description=__doc__)
    parser.add_argument("--broker", choices=("tansu", "kafka"), default=os.environ.get("BROKER") or "tansu")
    parser.add_argument("--root", type=Path, default=REPOSITORY / ".run")
    options = parser.parse_args()
    try:
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(stay_up(options.root, options.broker))
    except PartError as problem:
        sys.exit(f"Apudiaari did not start: {problem}")


if __name__ == "__main__":
    main()
