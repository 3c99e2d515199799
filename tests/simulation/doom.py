"""A process that dies at a chosen await: everything before it has happened, nothing after it will."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Died(Exception):
    """The process is no more; whatever it held in memory is gone."""


class Doomed(Generic[Result]):
    """Awaits ``work`` until its ``last``-th suspension (from 1) and ends it there. ``suspensions``: how many it had."""

    def __init__(self, work: Coroutine[Any, Any, Result], last: int) -> None:
        self._work, self._last = work, last
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Result]:
        sent: Any = None
        thrown: BaseException | None = None
        while True:
            try:
                waiting = self._work.send(sent) if thrown is None else self._work.throw(thrown)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            except asyncio.CancelledError as end:
                if self.suspensions >= self._last:
                    raise Died from end
                raise
            sent, thrown = None, None
            self.suspensions += 1
            if self.suspensions == self._last:
                if waiting is None:  # A bare yield to the loop: nothing to cancel but the work itself.
                    thrown = asyncio.CancelledError()
                    continue
                waiting.cancel()
            try:
                sent = yield waiting
            except BaseException as error:
                thrown = error
