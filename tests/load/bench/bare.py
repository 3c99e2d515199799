"""The diary's own server without a database: requests are parsed, identified, permitted and answered, none is kept.

The yardstick of recording over HTTP. Only the writer is replaced; it answers at once what the real one would answer.
"""

from __future__ import annotations

import uuid
from typing import Any

import uvicorn

from services.chassis.log import Command, Outcome
from services.chassis.process import tune
from services.chassis.service import create_app
from services.chassis.settings import Settings
from services.diary.app import SERVICE


class Forgetful:
    """A writer that keeps nothing."""

    queued = 0

    async def submit(self, command: Command) -> Outcome:
        answer: dict[str, Any] = {
            "visit_id": str(command.id),
            "event_id": str(uuid.uuid4()),
            "position": 1,
            "version": 1,
            "recorded_at": "2026-01-01T00:00:00.000000Z",
            "acts": [{"act_no": 1, "coverage": "in_force"}],
        }
        return Outcome(answer, False)


if __name__ == "__main__":
    tune()
    settings = Settings()
    app = create_app(SERVICE, settings, roles=())
    app.state.runtime._writer = Forgetful()
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False, loop="uvloop")
