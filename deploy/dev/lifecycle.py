"""Start, watch and end programs without blocking the event loop. Programs are spawned from the main thread only."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol

import httpx

from deploy.dev.process import PartDied, PartError, Program, kill9, require_alive, require_free_port, spawn

_POLL_S = 0.05


class Part(Protocol):
    """What PostgreSQL and the brokers have in common."""

    @property
    def process(self) -> subprocess.Popen[bytes] | None: ...
    @property
    def program(self) -> Program: ...
    def prepare(self) -> None: ...
    def spawn(self) -> None: ...
    def ready(self) -> bool: ...
    def may_try_again(self) -> bool: ...


async def bring_up(part: Part, *, within_s: float = 40) -> None:
    """Prepare and start a part; return when it answers its own protocol."""
    await asyncio.to_thread(part.prepare)
    deadline = time.monotonic() + within_s
    while True:
        part.spawn()
        try:
            await _until_ready(part, deadline)
        except PartDied:
            if time.monotonic() > deadline or not part.may_try_again():
                raise
            await asyncio.sleep(_POLL_S)
        else:
            return


async def _until_ready(part: Part, deadline: float) -> None:
    assert part.process is not None
    while not await asyncio.to_thread(part.ready):
        require_alive(part.process, part.program)
        if time.monotonic() > deadline:
            raise PartError(f"{part.program.name} did not answer in time; see {part.program.log}")
        await asyncio.sleep(_POLL_S)


class HttpProgram:
    """A program that is ready when an address of it answers 200."""

    def __init__(self, program: Program, *, port: int, ready_path: str) -> None:
        self.program = program
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at_s = 0.0
        self._ready_url = f"http://127.0.0.1:{port}{ready_path}"

    def spawn(self) -> None:
        """Start it without waiting. Raises PortTaken."""
        require_free_port(self.port, self.program.name)
        self.process = spawn(self.program)
        self.started_at_s = time.monotonic()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    async def until_ready(self, *, within_s: float = 60) -> None:
        """Wait for the answer 200. Raises PartDied, or PartError with the last answer."""
        deadline = time.monotonic() + within_s
        answer = "no answer"
        async with httpx.AsyncClient(timeout=5) as http:
            while True:
                assert self.process is not None
                require_alive(self.process, self.program)
                try:
                    response = await http.get(self._ready_url)
                    if response.status_code == httpx.codes.OK:
                        return
                    answer = f"{response.status_code} {response.text[:500]}"
                except httpx.TransportError:
                    pass
                if time.monotonic() > deadline:
                    raise PartError(f"{self.program.name} is not ready: {answer}; see {self.program.log}")
                await asyncio.sleep(_POLL_S)

    def kill9(self) -> None:
        """End it as a crash would."""
        kill9(self.process)


async def together(*steps: Coroutine[Any, Any, None]) -> None:
    """Do the steps at once. When one fails the others are ended before its error goes on, so none starts late."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def end_all(programs: Iterable[HttpProgram], *, patience_s: float = 10) -> None:
    """Ask all to end, wait for all, kill what does not end in time."""
    processes = [program.process for program in programs if program.process is not None]
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
    for process in processes:
        kill9(process)


async def run_to_end(program: Program, *, within_s: float = 120) -> None:
    """Run a program that ends by itself. Raises PartDied unless it ends with 0."""
    process = spawn(program)
    try:
        async with asyncio.timeout(within_s):
            while process.poll() is None:  # noqa: ASYNC110  # A process has no event to wait for.
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise PartError(f"{program.name} did not end within {within_s:g} s; see {program.log}") from None
    finally:
        kill9(process)
    if process.returncode != 0:
        require_alive(process, program)


def service_program(name: str, argv: list[str], environment: dict[str, str], *, log: Path, repository: Path) -> Program:
    """A Python program of ours, as the user that we are."""
    # Killed with the supervisor, not asked: an open stream of events could keep a polite end waiting for ever.
    base = {"LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    return Program(name, argv, log, env=base | environment, death_signal=signal.SIGKILL, cwd=repository)
