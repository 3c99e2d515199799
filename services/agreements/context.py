"""The register of a process, kept up with the log inside each append transaction.

Law: read under the lock of the log's head row, so nothing is missed and nothing is seen that may still vanish. If the
transaction does not commit, what was applied since is dropped with everything else and the register is folded anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import decode
from schemas.registry import model_of
from services.agreements.domain.register import Register
from services.chassis.log import Command, Placed

_NEWER = text("SELECT position, type, body FROM log.events WHERE position > :position ORDER BY position")


class RegisterSource:
    """A :class:`~services.chassis.log.model.ContextSource` that is its own context."""

    def __init__(self) -> None:
        self.register = Register()
        self.position = 0

    async def load(self, connection: AsyncConnection, commands: Sequence[Command]) -> RegisterSource:
        """Fold what was appended since, by whichever process."""
        del commands  # Every rule may need any part of the register, so all of it is kept.
        for row in await connection.execute(_NEWER, {"position": self.position}):
            model = model_of(row.type)
            if model is None:
                raise RuntimeError(f"the log holds an event of unknown type {row.type}")
            self.register.apply(model.model_validate(decode(row.body).data))
            self.position = row.position
        return self

    def apply(self, placed: Placed) -> None:
        """Follow the batch: the next command sees what this one decided."""
        self.register.apply(placed.event.data)
        self.position = placed.position

    def forget(self) -> None:
        """The transaction did not commit."""
        self.register, self.position = Register(), 0
