"""What Tansu and Apache Kafka have in common as a broker on this machine: one process, ready by protocol."""

from __future__ import annotations

import secrets
import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.dev.process import Program, kill9, require_free_port, spawn, stop, wait_until


class Broker(ABC):
    """One broker on 127.0.0.1. Every empty log has its own random cluster id, by which clients notice it."""

    name: str
    idempotent: bool  # Whether an idempotent aiokafka producer works on it.

    def __init__(self, home: Path, *, port: int, log: Path | None = None) -> None:
        self.home = home.absolute()
        self.port = port
        self.cluster_id = ""
        self.log = log or self.home / f"{type(self).__name__.lower()}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Addresses for clients, `host:port,host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    @abstractmethod
    def program(self) -> Program:
        """What to run, for the present cluster id."""

    def prepare(self) -> None:
        """Do what must be done once before the first start. May take seconds; safe to repeat."""
        self.home.mkdir(parents=True, exist_ok=True)

    def forget(self) -> None:
        """Drop the log: the next start is empty and has another cluster id."""
        self.cluster_id = new_cluster_id()

    def spawn(self) -> None:
        """Start the broker without waiting for it. Raises PortTaken."""
        require_free_port(self.port, self.name)
        self.process = spawn(self.program)

    def ready(self, *, timeout_s: float = 1.0) -> bool:
        """Whether the broker answers a metadata request with its cluster id."""
        client = AdminClient(self.client_options())
        try:
            seen = client.list_topics(timeout=timeout_s)
        except KafkaException:
            return False
        return seen.cluster_id == self.cluster_id and bool(seen.brokers)

    def may_try_again(self) -> bool:
        """Whether a failed start may be repeated: never, for a broker."""
        return False

    def start(self, *, within_s: float = 40) -> None:
        """Prepare, start and wait until the broker answers."""
        self.prepare()
        self.spawn()
        assert self.process is not None
        wait_until(self.ready, self.process, self.program, within_s=within_s)

    def stop(self) -> None:
        """End the broker as an operator would."""
        stop(self.process, signal.SIGTERM)
        self.process = None

    def kill9(self) -> None:
        """End the broker as a crash would."""
        kill9(self.process)

    def wipe_and_start(self) -> None:
        """Start empty on the same port with a new cluster id, whatever state it was in."""
        self.kill9()
        self.forget()
        self.start()

    def clear(self) -> None:
        """Be as empty as after a start: no topic, no consumer group."""
        self.wipe_and_start()

    def client_options(self) -> dict[str, Any]:
        """Options of a confluent-kafka client for the platform itself."""
        # The library reports each refused connection on stderr; readiness polls would fill the screen with them.
        return {"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 100}

    def topics(self) -> set[str]:
        """Names of the topics there are, without the broker's own."""
        names = AdminClient(self.client_options()).list_topics(timeout=10).topics
        return {name for name in names if not name.startswith("__")}


def new_cluster_id() -> str:
    """22 characters, as Kafka wants; never with a leading "-", which its `format` takes for an option."""
    return "A" + secrets.token_urlsafe(16)[1:]
