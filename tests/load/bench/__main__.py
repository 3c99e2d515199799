"""Run the whole benchmark, print the figures beside their targets, and write them to ``.run/bench.json``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from typing import Any

from deploy.demo.network import Network
from deploy.dev.environment import SERVICES
from deploy.dev.layout import REPOSITORY
from deploy.dev.lifecycle import HttpProgram, service_program
from deploy.dev.process import free_port
from services.chassis.clock import helsinki_day, now
from tests.load.bench.ground import ground, hardware, part
from tests.load.bench.record import POINT
from tests.load.bench.report import figures
from tests.support.world import World

PARTS = ("raw", "rebuild", "record", "delay")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--visits", type=int, default=1_000_000, help="size of the log (default: %(default)s)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=8, help="length of each HTTP load (default: %(default)s)")
    chosen = parser.parse_args()
    found: dict[str, Any] = {"hardware": hardware(), "visits": chosen.visits}
    print(json.dumps(found["hardware"], ensure_ascii=False), flush=True)
    target = REPOSITORY / ".run" / "bench.json"
    with ground() as world:
        asyncio.run(world.create_topics())
        environment = {f"BENCH_{service}": json.dumps(world.environment(service)) for service in SERVICES}
        found["fill"] = _told("fill", lambda: part("fill", environment, "--visits", str(chosen.visits)))
        for name in chosen.only.split(","):
            found[name] = _told(name, lambda name=name: _MEASURE[name](world, environment, chosen))
            target.write_text(json.dumps(found, indent=1, ensure_ascii=False))
    for figure in figures(found):
        print(figure.line())
    print(f"written to {target.relative_to(REPOSITORY)}")
    return 0


def _told(name: str, measure: Any) -> Any:
    started = time.perf_counter()
    result = measure()
    print(f"measured {name} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return result


def _raw(world: World, environment: dict[str, str], chosen: argparse.Namespace) -> dict[str, Any]:
    return {client: part("consume", environment, "--client", client) for client in ("aiokafka", "confluent")}


def _rebuild(world: World, environment: dict[str, str], chosen: argparse.Namespace) -> dict[str, Any]:
    marks = ",".join(str(chosen.visits * share // 4) for share in (1, 2, 4))
    services = ("billing", "statistics")
    return {service: part("fold", environment, "--service", service, "--marks", marks) for service in services}


def _record(world: World, environment: dict[str, str], chosen: argparse.Namespace) -> dict[str, Any]:
    token = world.issuer.token("adviser", "kunta-732", (POINT,))
    arguments = ["--token", token, "--seconds", str(chosen.seconds), "--services", json.dumps(_services())]
    bare = free_port()
    server = HttpProgram(
        service_program(
            "bare",
            [sys.executable, "-m", "tests.load.bench.bare"],
            world.environment("diary") | {"APUDIAARI_PORT": str(bare)},
            log=world.folder / "bare.log",
            repository=REPOSITORY,
        ),
        port=bare,
        ready_path="/health/live",
    )
    server.spawn()
    asyncio.run(server.until_ready())
    without = part("record", environment, "--url", f"http://127.0.0.1:{bare}", *arguments)
    server.kill9()
    asyncio.run(world.start("diary"))
    real = part("record", environment, "--url", world.base_urls["diary"], *arguments)
    asyncio.run(world.stop("diary"))
    return {"real": real, "bare": without}


def _delay(world: World, environment: dict[str, str], chosen: argparse.Namespace) -> dict[str, Any]:
    async def measured() -> dict[str, Any]:
        await world.start("diary", "statistics", "billing")
        urls = {name: world.base_urls[name] for name in ("diary", "statistics")}
        adviser = world.issuer.token("adviser", "kunta-732", (POINT,))
        ministry = world.issuer.token("ministry")
        arguments = [part for name, url in urls.items() for part in (f"--{name}", url)]
        arguments += ["--adviser", adviser, "--ministry", ministry, "--services", json.dumps(_services())]
        try:
            return await asyncio.to_thread(part, "delay", environment, *arguments)
        finally:
            await world.stop("diary", "statistics", "billing")

    return asyncio.run(measured())


def _services() -> dict[str, str]:
    """A service of Kela and one of tax in which advice is given."""
    found: dict[str, str] = {}
    for wish in Network.make(today=helsinki_day(now())).services:
        authority, code = wish.path.split("/")[3:5]
        if authority in {"kela", "vero"} and "advise" in wish.body["tasks"] and not wish.body.get("valid_until"):
            found.setdefault(authority, code)
    return found


_MEASURE = {"raw": _raw, "rebuild": _rebuild, "record": _record, "delay": _delay}

if __name__ == "__main__":
    os.environ.pop("SEED", None)
    raise SystemExit(main())
