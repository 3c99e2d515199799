"""All of Apudiaari on one machine: the parts beneath, the four services, and their watch.

Order of the start: token issuers, PostgreSQL, broker, topics, migrations, services; of the end: the reverse.

Law of the embedded broker: Tansu and its clients are one failure domain. When it dies, every service is ended
before an empty broker starts, the topics are created, and only then services start again; the relay then
publishes the whole log. Apache Kafka is different: its death ends nothing, and it starts again when told to.

    async with Stack(root, broker="tansu") as stack:
        stack.endpoints["base_urls"]["diary"]

    python -m deploy.dev [--broker kafka]
"""

from __future__ import annotations

import asyncio
import fcntl
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from deploy.dev.clients import HOME_MUNICIPALITY, HOME_POINT, Client, Clients, write_private, write_private_json
from deploy.dev.environment import Surroundings, service_environment
from deploy.dev.kafka import Kafka
from deploy.dev.layout import REPOSITORY, Command, CreateTopics, Ports, create_topics, service_command
from deploy.dev.lifecycle import HttpProgram, bring_up, end_all, run_to_end, service_program, together
from deploy.dev.pieces import broker_of, issuer_programs
from deploy.dev.postgres import Postgres
from deploy.dev.process import PartError, Program, require_free_port
from deploy.dev.tansu import Tansu

_WATCH_S = 0.1
_BACKOFF_S_FIRST, _BACKOFF_S_MAX, _STEADY_S = 0.2, 5.0, 30.0

Report = Callable[[str], None]


class Stack:
    """The running whole. Everything it keeps is below `root` (usually `.run`); `fresh` begins with nothing."""

    def __init__(
        self,
        root: Path,
        *,
        broker: Literal["tansu", "kafka"] = "tansu",
        ports: Ports | None = None,
        fresh: bool = True,
        synthetic: bool = True,
        report: Report = lambda _: None,
        command: Command = service_command,
        create_topics: CreateTopics = create_topics,
    ) -> None:
        self.root = root.absolute()
        self.ports = ports or Ports()
        self._fresh, self._report, self._command, self._create_topics = fresh, report, command, create_topics
        self._logs = self.root / "log"
        self.postgres = Postgres(self.root / "postgres", port=self.ports.postgres, log=self._logs / "postgres.log")
        self.broker = broker_of(broker, self.root, self.ports.broker, self._logs)
        self.clients = Clients(self.root / "clients.json")
        self.base_urls = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.services.items()}
        self.around = Surroundings(
            base_urls=self.base_urls,
            broker=self.broker,
            keys=self.root / "keys",
            token_issuer=f"http://127.0.0.1:{self.ports.tokens}",
            persons_issuer=f"http://127.0.0.1:{self.ports.persons}",
            synthetic=synthetic,
        )
        self._issuers = issuer_programs(self.root, self._logs, self.clients.file, self.ports)
        self._services: dict[str, HttpProgram] = {}
        self._samples = {
            "service_point_id": HOME_POINT,
            "provider_id": HOME_MUNICIPALITY,
            "authority_id": "kela",
        }
        self._changing = asyncio.Lock()
        self._backoff_s: dict[str, float] = {}
        self._watch: asyncio.Task[None] | None = None
        self._lock: IO[str] | None = None

    # For whoever runs it

    @property
    def endpoints(self) -> dict[str, Any]:
        """What `.run/endpoints.json` says: addresses, clients with secrets, and ids to try."""
        tokens = self.around.token_issuer
        return {
            "base_urls": self.base_urls,
            "issuer": tokens,
            "token_endpoint": f"{tokens}/token",
            "persons_issuer": self.around.persons_issuer,
            "kafka": self.broker.bootstrap,
            "clients": self.clients.listed(),
            "sample_ids": dict(self._samples),
        }

    def client(self, role: str, party_id: str | None = None, points: tuple[str, ...] = ()) -> Client:
        """A machine client of this role and party; made, and known to the issuer at once, when it is new."""
        client = self.clients.get(role, party_id, points)
        self._write_endpoints()
        return client

    def add_sample_ids(self, **ids: Any) -> None:
        """Add ids that exist to the endpoints file."""
        self._samples |= ids
        self._write_endpoints()

    def environment(self, service: str) -> dict[str, str]:
        """The `APUDIAARI_…` variables of a service, for a command beside the running one."""
        database = f"apudiaari_{service}"
        return service_environment(
            service,
            self.around,
            app_dsn=self.postgres.dsn(database, f"{service}_app"),
            owner_dsn=self.postgres.dsn(database, f"{service}_owner"),
            port=self.ports.services[service],
        )

    async def run(self, service: str, *arguments: str) -> None:
        """Run a command of a service (`rebuild`, `reconcile`, …) to its end. Raises PartDied when it fails."""
        argv = [*self._command(service, arguments[0]), *arguments[1:]]
        await run_to_end(self._program(service, argv, f"{service}-{arguments[0]}"))

    def kill9(self, service: str) -> None:
        """Kill a service; the watch starts it again."""
        self._services[service].kill9()

    def pid(self, service: str) -> int:
        """The process id of a service now."""
        process = self._services[service].process
        assert process is not None
        return process.pid

    async def restart(self, service: str) -> None:
        """End a service politely and return when it is ready again."""
        async with self._changing:
            await end_all([self._services[service]])
            self._services[service].spawn()
            await self._services[service].until_ready()

    async def until_ready(self, *, within_s: float = 60) -> None:
        """Return when every service says that it is ready, across a restart of any of them."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                async with self._changing:
                    await together(*(service.until_ready(within_s=5) for service in self._services.values()))
                    return
            except PartError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_WATCH_S)

    async def kill_broker_and_start_empty(self) -> None:
        """Kill the broker and lose its log. Embedded: services end and start with it. Kafka: they stay."""
        async with self._changing:
            self.broker.kill9()
            self.broker.forget()
            await self._begin_again_with_empty_broker()

    async def kill_broker(self) -> None:
        """Kill Apache Kafka and leave it dead until `start_broker`."""
        if isinstance(self.broker, Tansu):
            raise PartError("the embedded broker cannot stay dead: it and its clients are one failure domain")
        async with self._changing:
            self.broker.kill9()

    async def start_broker(self) -> None:
        """Start Apache Kafka again with the log that it had."""
        async with self._changing:
            await bring_up(self.broker)

    # Start and end

    async def __aenter__(self) -> Self:
        self._take_root()
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        self._watch = asyncio.create_task(self._watch_all())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def _take_root(self) -> None:
        """Refuse to start beside another stack, before anything is touched."""
        for wanted_by, port in self.ports.all().items():
            require_free_port(port, wanted_by)
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = (self.root / "stack.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise PartError(f"another Apudiaari runs in {self.root}; stop it first") from None
        self._endpoints_file.unlink(missing_ok=True)
        if self._fresh:
            self.postgres.remove()
            for leftover in (self.broker.home, self._logs):
                shutil.rmtree(leftover, ignore_errors=True)

    async def _start(self) -> None:
        self.clients.add_ready()
        for issuer in self._issuers:  # They need nothing beneath them and load while PostgreSQL starts.
            issuer.spawn()
        await bring_up(self.postgres)
        self.postgres.create_service_databases(self.ports.services)
        self._report("PostgreSQL is up")
        self._services = {name: self._service(name) for name in self.ports.services}
        await together(self._start_broker_with_topics(), self._migrate())
        await together(*(issuer.until_ready() for issuer in self._issuers))
        await self._start_services()
        self._write_endpoints()
        self._write_environments()

    async def _start_broker_with_topics(self) -> None:
        await bring_up(self.broker)
        await self._create_topics(self.environment(next(iter(self.ports.services))))
        self._report(f"{self.broker.name} is up with its topics")

    async def _migrate(self) -> None:
        await together(*(self.run(service, "migrate") for service in self.ports.services))
        self._report("databases are migrated")

    async def _start_services(self) -> None:
        for service in self._services.values():
            service.spawn()
        await together(*(service.until_ready() for service in self._services.values()))
        self._report("services are ready")

    async def _begin_again_with_empty_broker(self) -> None:
        if isinstance(self.broker, Kafka):
            await self._start_broker_with_topics()
            return
        await end_all(self._services.values())
        await self._start_broker_with_topics()
        await self._start_services()

    async def _end(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        self._endpoints_file.unlink(missing_ok=True)
        shutil.rmtree(self.root / "env", ignore_errors=True)
        await end_all(self._services.values())
        await end_all(self._issuers)
        self.broker.stop()
        self.postgres.stop()
        if self._lock is not None:
            self._lock.close()

    # The watch

    async def _watch_all(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            async with self._changing:
                try:
                    await self._mend()
                except PartError as problem:
                    self._report(f"trying again: {problem}")

    async def _mend(self) -> None:
        """Start again what died by itself."""
        if _dead(self.postgres.process):
            self._report("PostgreSQL died; it starts again")
            await bring_up(self.postgres)
        if _dead(self.broker.process) and isinstance(self.broker, Tansu):
            self._report("the embedded broker died; services end, and start again with an empty one")
            await self._begin_again_with_empty_broker()
        for name, program in [*self._services.items(), *((issuer.program.name, issuer) for issuer in self._issuers)]:
            if not program.alive:
                await self._start_again(name, program)

    async def _start_again(self, name: str, program: HttpProgram) -> None:
        steady = time.monotonic() - program.started_at_s > _STEADY_S
        wait_s = _BACKOFF_S_FIRST if steady else self._backoff_s.get(name, _BACKOFF_S_FIRST)
        self._backoff_s[name] = min(wait_s * 2, _BACKOFF_S_MAX)
        self._report(f"{name} died; it starts again in {wait_s:g} s")
        await asyncio.sleep(wait_s)
        program.spawn()

    # Programs

    def _service(self, name: str) -> HttpProgram:
        program = self._program(name, self._command(name, "serve"), name)
        return HttpProgram(program, port=self.ports.services[name], ready_path="/health/ready")

    def _program(self, service: str, argv: list[str], log_name: str) -> Program:
        log = self._logs / f"{log_name}.log"
        return service_program(log_name, argv, self.environment(service), log=log, repository=REPOSITORY)

    @property
    def _endpoints_file(self) -> Path:
        return self.root / "endpoints.json"

    def _write_endpoints(self) -> None:
        write_private_json(self._endpoints_file, self.endpoints)

    def _write_environments(self) -> None:
        """A file for each service to source before its command line: `. .run/env/billing.sh`."""
        for service in self.ports.services:
            lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.environment(service).items()]
            write_private(self.root / "env" / f"{service}.sh", "".join(lines))


def _dead(process: subprocess.Popen[bytes] | None) -> bool:
    return process is not None and process.poll() is not None
