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
        self._began, self._shown = time.monotonic(), 0.0
        self._live = sys.stdout.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._draw()
        print(flush=True)

    def add(self, count: int) -> None:
        self.show(self._done + count, self._total)

    def show(self, done: int, total: int) -> None:
        """Say how far it is."""
        self._done, self._total = done, max(total, 1)
        if time.monotonic() - self._shown > (REDRAW_S if self._live else LINE_S):
            self._draw()
            if not self._live:
                print(flush=True)

    def _draw(self) -> None:
        self._shown = time.monotonic()
        filled = min(WIDTH, WIDTH * self._done // self._total)
        seconds = self._shown - self._began
        rate = f"{self._done / max(seconds, 0.001):,.0f}".replace(",", " ")
        bar = "█" * filled + "·" * (WIDTH - filled)
        start = "\r" if self._live else ""
        figures = f"{self._done:>7,} {rate:>8}/s {seconds:5.1f} s".replace(",", " ")
        print(f"{start}  {self._label:<34} {bar} {figures}", end="", flush=self._live)
