"""A bar with a rate: redrawn in place on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Self

WIDTH = 28
REDRAW_S = 0.1
LINE_S = 5.0


class Bar:
    """Progress of one thing that is counted."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total, self._done = label, max(total, 1), 0
        self._began = self._shown = time.monotonic()
        self._live = sys.stdout.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._draw(end="\n")

    def add(self, count: int) -> None:
        self.show(self._done + count, self._total)

    def show(self, done: int, total: int) -> None:
        """Say how far it is."""
        self._done, self._total = done, max(total, 1)
        if time.monotonic() - self._shown > (REDRAW_S if self._live else LINE_S):
            self._draw(end="" if self._live else "\n")

    def _draw(self, *, end: str) -> None:
        self._shown = time.monotonic()
        filled = min(WIDTH, WIDTH * self._done // self._total)
        seconds = self._shown - self._began
        rate = f"{self._done / max(seconds, 0.001):,.0f}"
        bar = "█" * filled + "·" * (WIDTH - filled)
        figures = f"{self._done:>7,} {rate:>8}/s {seconds:5.1f} s".replace(",", " ")
        print(f"{chr(13) if self._live else ''}  {self._label:<38} {bar} {figures}", end=end, flush=True)
