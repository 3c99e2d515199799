"""Metrics of the log."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Histogram

from services.chassis.errors import ApudiaariError
from services.chassis.log.append import Result
from services.chassis.log.model import Command

COMMANDS = Counter("apudiaari_commands", "Commands by kind and outcome", ["command", "outcome"])
BATCH = Histogram("apudiaari_append_batch_commands", "Commands per append", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256))
APPEND_SECONDS = Histogram("apudiaari_append_seconds", "Time of one append transaction")


def observe(commands: Sequence[Command], results: Sequence[Result], seconds: float) -> None:
    """Count a committed batch."""
    BATCH.observe(len(commands))
    APPEND_SECONDS.observe(seconds)
    for command, result in zip(commands, results, strict=True):
        COMMANDS.labels(type(command.payload).__name__, _outcome(result)).inc()


def _outcome(result: Result) -> str:
    if isinstance(result, ApudiaariError):
        return result.code
    return "repeated" if result.repeated else "recorded"
