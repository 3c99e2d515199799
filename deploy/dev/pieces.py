"""The broker and the issuers of a stack, by name."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.dev.broker import Broker
from deploy.dev.kafka import Kafka
from deploy.dev.layout import REPOSITORY, Ports
from deploy.dev.lifecycle import HttpProgram, service_program
from deploy.dev.process import PartError
from deploy.dev.tansu import Tansu


def broker_of(kind: str, root: Path, port: int, logs: Path) -> Broker:
    """The broker of this kind, with its files below `root`."""
    if kind == "tansu":
        return Tansu(root / "tansu", port=port, log=logs / "tansu.log")
    if kind == "kafka":
        return Kafka(root / "kafka", port=port, log=logs / "kafka.log")
    raise PartError(f"there is no broker {kind!r}: choose tansu or kafka")


def issuer_programs(root: Path, logs: Path, clients: Path, ports: Ports) -> list[HttpProgram]:
    """The issuer of machine clients' tokens and the provider of ready persons."""
    key = root / "keys" / "issuer.pem"
    tokens = ["--port", str(ports.tokens), "--clients", str(clients), "--key", str(key)]
    persons = ["--port", str(ports.persons)]
    return [_issuer("issuer", tokens, ports.tokens, logs), _issuer("people", persons, ports.persons, logs)]


def _issuer(name: str, arguments: list[str], port: int, logs: Path) -> HttpProgram:
    argv = [sys.executable, "-m", f"deploy.dev.{name}", *arguments]
    program = service_program(name, argv, {}, log=logs / f"{name}.log", repository=REPOSITORY)
    return HttpProgram(program, port=port, ready_path="/.well-known/openid-configuration")
