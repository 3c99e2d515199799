"""The supervisor with real PostgreSQL, broker and issuers: order, deaths, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil  # type: ignore[import-untyped]  # It has no stubs among our pins.
import pytest

from deploy.dev.layout import REPOSITORY, Ports
from deploy.dev.process import PartError, PortTaken, free_port
from deploy.dev.supervisor import Stack
from tests.support.run_stack import stand_in_stack
from tests.support.unproven import require_kafka_tools

SERVICES = ("diary", "billing")


def some_ports() -> Ports:
    return Ports(
        postgres=free_port(),
        broker=free_port(),
        persons=free_port(),
        tokens=free_port(),
        services={name: free_port() for name in SERVICES},
    )


async def eventually(condition: Callable[[], bool], *, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.05)


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE}


def read_endpoints(stack: Stack) -> tuple[dict[str, Any], int]:
    file = stack.root / "endpoints.json"
    return json.loads(file.read_text()), file.stat().st_mode & 0o777


def start_supervisor(folder: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "tests.support.run_stack", str(folder), json.dumps(asdict(some_ports()))]
    return subprocess.Popen(argv, cwd=REPOSITORY)


@pytest.fixture
def folder(run_folder: Path) -> Path:
    made = Path(tempfile.mkdtemp(prefix="stack-", dir=run_folder))
    made.chmod(0o711)  # An unprivileged PostgreSQL must pass through.
    return made


@pytest.fixture(scope="module")
async def stack(run_folder: Path) -> AsyncIterator[Stack]:
    async with stand_in_stack(run_folder / "shared-stack", some_ports()) as running:
        yield running


async def test_services_are_told_what_they_need(stack: Stack) -> None:
    async with httpx.AsyncClient() as http:
        told = (await http.get(stack.base_urls["diary"] + "/health/ready")).json()["told"]
    assert told["APUDIAARI_KAFKA_BOOTSTRAP"] == stack.broker.bootstrap
    assert told["APUDIAARI_KAFKA_IDEMPOTENT"] == "false"
    assert json.loads(told["APUDIAARI_BASE_URLS"]) == stack.base_urls
    assert told["APUDIAARI_SIGNING_KEY_FILE"] == str(stack.root / "keys" / "diary.pem")
    assert len(bytes.fromhex(told["APUDIAARI_FEED_SECRET"])) == 32
    connection = await asyncpg.connect(told["APUDIAARI_DATABASE_URL"])
    assert await connection.fetchval("SELECT current_user") == "diary_app"
    await connection.close()


async def test_the_endpoints_file_is_ours_alone_and_its_clients_get_tokens(stack: Stack) -> None:
    written, mode = read_endpoints(stack)
    assert mode == 0o600
    assert written == json.loads(json.dumps(stack.endpoints))
    roles = {client["role"] for client in written["clients"]}
    assert roles >= {"adviser", "manager", "provider", "authority", "ministry", "auditor", "operator"}
    client = written["clients"][0]
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            written["token_endpoint"],
            data={"grant_type": "client_credentials"},
            auth=(client["client_id"], client["client_secret"]),
        )
    assert answer.status_code == 200


async def test_a_client_made_on_demand_gets_a_token_at_once(stack: Stack) -> None:
    client = stack.client("provider", "kunta-148")
    assert stack.client("provider", "kunta-148") == client
    form = {"grant_type": "client_credentials", "client_id": client.client_id}
    async with httpx.AsyncClient() as http:
        answer = await http.post(stack.endpoints["token_endpoint"], data=form | {"client_secret": client.client_secret})
    assert answer.status_code == 200


async def test_a_killed_service_starts_again(stack: Stack) -> None:
    before = stack.pid("diary")
    stack.kill9("diary")
    await eventually(lambda: stack.pid("diary") != before)
    await stack.until_ready()


async def test_restart_returns_when_the_service_is_ready_again(stack: Stack) -> None:
    before = stack.pid("billing")
    await stack.restart("billing")
    async with httpx.AsyncClient() as http:
        answer = (await http.get(stack.base_urls["billing"] + "/health/ready")).json()
    assert answer["pid"] == stack.pid("billing") != before


async def test_a_killed_database_starts_again_with_its_rows(stack: Stack) -> None:
    stack.postgres.sql("CREATE TABLE kept AS SELECT 1 AS one;")
    assert stack.postgres.process is not None
    before = stack.postgres.process.pid
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: stack.postgres.process.pid != before and stack.postgres.ready())  # type: ignore[union-attr]
    assert stack.postgres.sql("SELECT one FROM kept;") == "1"


async def test_the_embedded_broker_takes_its_clients_with_it(stack: Stack) -> None:
    log, pids = stack.broker.cluster_id, {stack.pid(name) for name in SERVICES}
    await stack.kill_broker_and_start_empty()
    assert stack.broker.cluster_id != log
    assert stack.broker.ready()
    assert pids.isdisjoint({stack.pid(name) for name in SERVICES})
    assert not alive(pids)


async def test_an_embedded_broker_that_dies_by_itself_is_the_same(stack: Stack) -> None:
    log, pids = stack.broker.cluster_id, {stack.pid(name) for name in SERVICES}
    assert stack.broker.process is not None
    os.kill(stack.broker.process.pid, signal.SIGKILL)
    await eventually(lambda: stack.broker.cluster_id != log)
    await stack.until_ready()
    assert pids.isdisjoint({stack.pid(name) for name in SERVICES})


async def test_a_second_stack_is_refused_and_the_first_is_unharmed(stack: Stack, folder: Path) -> None:
    with pytest.raises(PortTaken, match=f"port {stack.ports.postgres} .* PostgreSQL needs, is taken"):
        async with stand_in_stack(folder, stack.ports):
            pass
    with pytest.raises(PartError, match="another Apudiaari runs in"):
        async with stand_in_stack(stack.root, some_ports()):
            pass
    await stack.until_ready()
    assert (stack.root / "endpoints.json").exists()


async def test_a_start_that_fails_halfway_ends_what_was_up(folder: Path) -> None:
    ports = some_ports()
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    failing = stand_in_stack(folder, ports)
    failing._command = lambda service, verb: [sys.executable, "-c", "raise SystemExit('no such table')"]
    with pytest.raises(PartError, match="no such table"):
        async with failing:
            pass
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


async def test_a_clean_end_leaves_nothing(folder: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with stand_in_stack(folder, some_ports()):
        started = {child.pid for child in psutil.Process().children(recursive=True)} - before
        assert len(started) >= 6
    assert not alive(started)
    assert not (folder / "endpoints.json").exists()


async def test_kill_9_of_the_supervisor_leaves_no_orphan(folder: Path) -> None:
    supervisor = start_supervisor(folder)
    try:
        await eventually((folder / "endpoints.json").exists, within_s=60)
        children = {child.pid for child in psutil.Process(supervisor.pid).children(recursive=True)}
        assert len(children) >= 6  # PostgreSQL has several, then the broker, two issuers and two services.
    finally:
        supervisor.kill()
        supervisor.wait()
    await eventually(lambda: not alive(children), within_s=10)


@pytest.mark.kafka
async def test_apache_kafka_dies_and_starts_without_the_services(folder: Path) -> None:
    require_kafka_tools()
    async with stand_in_stack(folder, some_ports(), broker="kafka") as stack:
        log, pids = stack.broker.cluster_id, [stack.pid(name) for name in SERVICES]
        await stack.kill_broker()
        assert not stack.broker.ready()
        await stack.start_broker()
        assert stack.broker.cluster_id == log
        await stack.kill_broker_and_start_empty()
        assert stack.broker.ready()
        assert stack.broker.cluster_id != log
        await stack.until_ready()
        assert [stack.pid(name) for name in SERVICES] == pids


async def test_the_embedded_broker_cannot_be_left_dead(stack: Stack) -> None:
    with pytest.raises(PartError, match="one failure domain"):
        await stack.kill_broker()
