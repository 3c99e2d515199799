"""A supervisor with stand-ins as a process of its own, to be killed.

python -m tests.support.run_stack <folder> <ports as JSON>
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from deploy.dev.layout import Ports
from deploy.dev.supervisor import Stack


def stand_in_command(service: str, verb: str) -> list[str]:
    """The stand-in in place of a service."""
    return [sys.executable, "-m", "tests.support.stand_in", service, verb]


async def no_topics(_: dict[str, str]) -> None:
    """Stand-ins read no topic."""


def stand_in_stack(root: Path, ports: Ports, **options: object) -> Stack:
    """All real parts beneath, with stand-ins in place of the services."""
    return Stack(root, ports=ports, command=stand_in_command, create_topics=no_topics, **options)  # type: ignore[arg-type]


async def main(root: Path, ports: Ports) -> None:
    """Run until killed."""
    async with stand_in_stack(root, ports):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Ports(**json.loads(sys.argv[2]))))
