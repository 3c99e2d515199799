"""Figures beside their targets, for people and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was measured, and what design.md §12 asks for. ``at_least`` False: the value is to stay below."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def line(self) -> str:
        """Aligned for a terminal."""
        mark = {None: " ", True: "✓", False: "✗"}[self.met]
        wanted = "" if self.target is None else f"{'≥' if self.at_least else '≤'} {self.target:g}"
        return f" {mark} {self.name:<58} {self.value:>12,.2f} {self.unit:<9} {wanted}"


def figures(found: dict[str, Any]) -> list[Figure]:
    """Every figure of a run that has its part."""
    made: list[Figure] = []
    for name, rows in _PARTS.items():
        if name in found:
            made += rows(found)
    return made


def _fill(found: dict[str, Any]) -> list[Figure]:
    diary = found["fill"]["diary"]
    return [
        Figure("bulk append through the deciders, trees and feeds", diary["append_per_s"], "events/s", 8_000),
        Figure("relay of the whole log", diary["relay_per_s"], "events/s", 40_000),
    ]


def _raw(found: dict[str, Any]) -> list[Figure]:
    raw = found["raw"]
    return [
        Figure("raw consume, aiokafka at its best", raw["aiokafka"]["per_s"], "events/s"),
        Figure("raw consume, C client (librdkafka)", raw["confluent"]["per_s"], "events/s"),
    ]


_RATIOS = {"billing": 0.30, "statistics": 0.35}


def _rebuild(found: dict[str, Any]) -> list[Figure]:
    made = []
    for service, target in _RATIOS.items():
        if service not in found["rebuild"]:
            continue
        rebuilt = found["rebuild"][service]
        made.append(Figure(f"rebuild of {service}, Kafka to committed rows", rebuilt["per_s"], "events/s"))
        ratio = rebuilt["per_s"] / found["raw"]["aiokafka"]["per_s"]
        made.append(Figure(f"rebuild of {service} ÷ raw", ratio, "×", target))
        made += [
            Figure(f"  … {mark['events']:,} events after", mark["seconds"], f"s, {mark['peak_mb']} MB")
            for mark in rebuilt["marks"]
        ]
        made.append(Figure(f"  … peak memory of the {service} rebuild", rebuilt["peak_mb"], "MB", 1024, at_least=False))
    return made


def _record(found: dict[str, Any]) -> list[Figure]:
    made = []
    for real, bare in zip(found["record"]["real"], found["record"]["bare"], strict=True):
        clients = real["clients"]
        made.append(Figure(f"record a visit over HTTP, {clients} clients", real["per_s"], "req/s"))
        made.append(Figure("  … p50", real["p50_ms"], "ms"))
        made.append(Figure("  … p95", real["p95_ms"], "ms"))
        made.append(Figure("  … p99", real["p99_ms"], "ms", 150 if clients == 200 else None, at_least=False))
        made.append(Figure("  … same server without a database", bare["per_s"], "req/s"))
        made.append(Figure("  … ratio", real["per_s"] / bare["per_s"], "×", 0.4 if clients == 200 else None))
    return made


def _delay(found: dict[str, Any]) -> list[Figure]:
    delay = found["delay"]
    return [
        Figure("recorded → on Kafka, p95", delay["kafka"]["p95_ms"], "ms", 50, at_least=False),
        Figure("recorded → authority's record, p95", delay["authority"]["p95_ms"], "ms", 250, at_least=False),
        Figure("recorded → dashboard figure, p95", delay["figure"]["p95_ms"], "ms", 500, at_least=False),
    ]


_PARTS: dict[str, Callable[[dict[str, Any]], list[Figure]]] = {
    "fill": _fill,
    "raw": _raw,
    "rebuild": _rebuild,
    "record": _record,
    "delay": _delay,
}
