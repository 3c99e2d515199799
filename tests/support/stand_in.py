"""A program in the place of a service, for tests of the supervisor itself: it answers, and ends at a signal.

python -m tests.support.stand_in <service> serve|migrate
"""

from __future__ import annotations

import os
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def ready(_: Request) -> JSONResponse:
    """Say who answers, and what it was told."""
    told = {name: value for name, value in os.environ.items() if name.startswith("APUDIAARI_")}
    return JSONResponse({"pid": os.getpid(), "told": told})


def main(service: str, verb: str) -> int:
    """Serve until told to end; `migrate` ends at once."""
    if verb == "migrate":
        print(f"migrating {service}")
        return 0
    uvicorn.run(
        Starlette(routes=[Route("/health/ready", ready)]),
        host="127.0.0.1",
        port=int(os.environ["APUDIAARI_PORT"]),
        log_level="warning",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
