"""Start one program so that it can never outlive the process that started it.

Laws of this module:
- every program has its own session: Ctrl-C reaches the supervisor alone, which decides the order of the end;
- PR_SET_PDEATHSIG is set after the change of user (setuid clears it), and the parent is checked after that,
  because it may have died in between (prctl(2)). It fires when the creating *thread* ends: spawn from the
  main thread;
- a program that was killed is waited for at once: PostgreSQL refuses to start beside the zombie of its
  predecessor.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
FIRST_EPHEMERAL_PORT = 32_768
"""From here on a client that polls a port without a listener can be given that port and connect to itself."""

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class PartError(RuntimeError):
    """A part beneath Apudiaari could not do what was asked. The message says what to do next."""


class PortTaken(PartError):
    """Something else listens on the port."""


class PartMissing(PartError):
    """A program that this machine would need is not installed."""


class PartDied(PartError):
    """A program ended although nobody asked it to."""


@dataclass(frozen=True)
class Account:
    """The unprivileged user as whom a server runs when we are root."""

    name: str
    uid: int
    gid: int


@dataclass
class Program:
    """What to run. `death_signal` reaches it when its parent dies; `account` None means "as we are"."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    death_signal: signal.Signals = signal.SIGTERM
    cwd: Path | None = None


def unprivileged_account() -> Account | None:
    """Return `nobody` when we are root, otherwise None: then we are unprivileged already."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def spawn(program: Program) -> subprocess.Popen[bytes]:
    """Start the program and return at once; its output goes to its log file."""
    if threading.current_thread() is not threading.main_thread():
        raise PartError(f"{program.name} must be started from the main thread: it dies with the thread that starts it")
    program.log.parent.mkdir(parents=True, exist_ok=True)
    account = program.account
    with program.log.open("ab") as log:
        return subprocess.Popen(
            list(program.argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", **program.env},
            cwd=program.cwd,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=_die_with_parent(program.death_signal),  # noqa: PLW1509  # It only makes system calls.
        )


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    if _LIBC is None:
        return None  # Not Linux: an orderly end works, a kill -9 of the supervisor leaves orphans.
    parent, prctl = os.getpid(), _LIBC.prctl

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def stop(process: subprocess.Popen[bytes] | None, ask: signal.Signals, *, patience_s: float = 10) -> None:
    """Ask a process to end; kill it when it has not within `patience_s`. Always reaps it."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(ask)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        kill9(process)


def kill9(process: subprocess.Popen[bytes] | None) -> None:
    """End a process the hard way, and reap it."""
    if process is not None and process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait(10)


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], program: Program, *, within_s: float
) -> None:
    """Poll `ready` until it holds. Raises PartDied with the end of the log when the process ends first."""
    deadline = time.monotonic() + within_s
    while not ready():
        require_alive(process, program)
        if time.monotonic() > deadline:
            raise PartError(f"{program.name} did not answer within {within_s:g} s; see {program.log}")
        time.sleep(0.02)


def require_alive(process: subprocess.Popen[bytes], program: Program) -> None:
    """Raise PartDied with the last lines of the log when the process has ended."""
    if process.poll() is not None:
        last_words = f"{tail(program.log)}\n(all of it: {program.log})"
        raise PartDied(f"{program.name} ended with {process.returncode}:\n{last_words}")


def tail(log: Path, *, lines: int = 12) -> str:
    """The last lines of a log file, or nothing when there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def require_free_port(port: int, wanted_by: str) -> None:
    """Raise PortTaken when something listens on 127.0.0.1:port, PartError when it is no port for us."""
    if not 1024 <= port < FIRST_EPHEMERAL_PORT:
        raise PartError(
            f"port {port} for {wanted_by} is not between 1024 and {FIRST_EPHEMERAL_PORT - 1}; choose another"
        )
    if not _bindable(port):
        raise PortTaken(
            f"port {port} on 127.0.0.1, which {wanted_by} needs, is taken. "
            f"Stop what uses it (another Apudiaari on this machine?) and start again."
        )


def free_port() -> int:
    """A free port below the ephemeral ones."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 200):
        if _bindable(port):
            return port
    raise PartError("no free port between 20000 and 32000")


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        # With this option a port in TIME_WAIT counts as free, but one that is listened on does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
