"""Recording over HTTP at 20 and 200 clients: ``record --url … --token … --services …``."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import uuid
from typing import Any

import uvloop

from services.chassis.clock import HELSINKI
from tests.load.bench.http import Connection, load

POINT = "piste-732-1"


def visit() -> tuple[str, str, dict[str, Any]]:
    """A visit that happened just now: one act for Kela, and for every third also one for tax."""
    now = dt.datetime.now(HELSINKI).isoformat(timespec="seconds")
    acts = [_act("kela")] + ([_act("vero")] if random.random() < 1 / 3 else [])  # A choice, no secret.
    body = {"service_point_id": POINT, "occurred_at": now, "customers": 1, "language": "fi", "acts": acts}
    return "PUT", f"/api/visits/{uuid.uuid4()}", body


def _act(authority: str) -> dict[str, Any]:
    return {
        "authority_id": authority,
        "service": SERVICES[authority],
        "task": "advise",
        "channel": "counter",
        "quantity": 1,
        "minutes": 10,
    }


SERVICES = {"kela": "", "vero": ""}


async def run(url: str, token: str, seconds: float) -> list[dict[str, Any]]:
    headers = {"authorization": f"Bearer {token}"}
    connection = Connection(url, headers)
    await connection.open()
    status, answer = await connection.request(*visit()[:2], json.dumps(visit()[2]).encode())
    if status != 201:
        raise RuntimeError(f"{status}: {answer.decode()}")
    await load(url, headers, 20, 2, visit)
    return [await load(url, headers, clients, seconds, visit) for clients in (20, 200)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--services", required=True, help="JSON: authority → service code")
    chosen = parser.parse_args()
    SERVICES |= json.loads(chosen.services)
    print(json.dumps(uvloop.run(run(chosen.url, chosen.token, chosen.seconds))))
