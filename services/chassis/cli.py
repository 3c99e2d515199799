"""The command line that every service has: ``python -m services.<name> <verb>``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import uvicorn
import uvloop
from pydantic import ValidationError

from services.chassis import logs, migrate
from services.chassis.db import Database
from services.chassis.errors import ApudiaariError, Invalid, NotFound
from services.chassis.process import tune
from services.chassis.projection import ProjectionSpec, parked, registry
from services.chassis.projection.rebuild import Rebuild, Rebuilt
from services.chassis.runtime import ROLES
from services.chassis.service import Service, create_app
from services.chassis.settings import Settings

Verb = Callable[[Service, Settings, argparse.Namespace], int]


def main(service: Service, arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Exit code: 0 when it did what it says, 1 when it found a difference or refused, 2 on misuse."""
    parser = _parser(service)
    chosen = parser.parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as wrong:
        for error in wrong.errors():
            name = f"APUDIAARI_{'_'.join(map(str, error['loc'])).upper()}"
            print(f"settings_invalid: {name}: {error['msg']}", file=sys.stderr)
        return 2
    logs.configure(service.name, settings.log_level)
    tune()
    try:
        return int(chosen.verb(service, settings, chosen) or 0)
    except ApudiaariError as refusal:
        print(f"{refusal.code}: {refusal.detail}", file=sys.stderr)
        return 1


def _parser(service: Service) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service.name}", description=f"Apudiaari: {service.name}"
    )
    verbs = parser.add_subparsers(required=True, metavar="verb")
    _add(
        verbs, "serve", serve, "serve requests, relay the log and project topics (or some of it: --roles)"
    ).add_argument("--roles", default=",".join(ROLES), help="what this process does (default: %(default)s)")
    if service.log:
        _add(verbs, "relay", relay, "only relay the log to Kafka")
        recover = _add(verbs, "recover-log", recover_log, "take back from the topic what a restored store has lost")
        recover.add_argument("--yes", action="store_true", help="write; without it only says what would be done")
    _add(verbs, "migrate", migrate_database, "bring the database to the newest revision (as its owner)")
    if service.projections:
        _add(verbs, "project", project, "only project topics")
        for name, verb, text in (
            ("rebuild", rebuild, "build a projection again beside the live one and compare; --switch to read from it"),
            ("reconcile", reconcile, "compare a standing-by version with the one being read"),
            ("switch", switch, "read from another version (also the way back)"),
            ("drop-version", drop_version, "remove a version that nobody reads (as the owner)"),
            ("parked", show_parked, "list records put aside; 'parked retry' applies them"),
        ):
            added = _add(verbs, name, verb, text)
            added.add_argument("--projection", default=service.projections[0].name, help="default: %(default)s")
            if name in {"reconcile", "switch", "drop-version"}:
                added.add_argument("--version", type=int, required=True)
            if name == "rebuild":
                added.add_argument("--switch", action="store_true", help="switch if no row differs")
            if name == "parked":
                added.add_argument("action", nargs="?", choices=("list", "retry"), default="list")
    for name, command in service.commands.items():
        own = verbs.add_parser(name, help=command.help, description=command.help)
        command.arguments(own)
        own.set_defaults(verb=lambda _, settings, chosen, run=command.run: run(settings, chosen))
    return parser


def _add(verbs: Any, name: str, verb: Verb, text: str) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    added.set_defaults(verb=verb)
    return added


def serve(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """All roles in one process, or those named."""
    roles = tuple(role for role in chosen.roles.split(",") if role)
    if unknown := set(roles) - set(ROLES):
        raise Invalid("unknown_role", f"Unknown role {', '.join(sorted(unknown))}; known: {', '.join(ROLES)}.")
    settings.require_complete()
    config = uvicorn.Config(
        create_app(service, settings, roles),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run()
    return 0


def relay(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """The relay without a web server."""
    return _run_roles(service, settings, ("relay",))


def project(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """The projections without a web server."""
    return _run_roles(service, settings, ("project",))


def _run_roles(service: Service, settings: Settings, roles: Sequence[str]) -> int:
    settings.require_complete()

    async def until_told() -> int:
        runtime = service.runtime(settings, roles)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await runtime.start()
        await stop.wait()
        await runtime.stop()
        return 0

    return uvloop.run(until_told())


def migrate_database(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """Alembic's upgrade, and the first version of each projection."""
    migrate.upgrade(service.name, _owner_url(settings), service.projections)
    return 0


def rebuild(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """Build beside, compare at one position, and switch if asked and equal."""

    async def work(owner: Database, database: Database) -> int:
        spec = _spec(service, chosen.projection)
        rebuilt = await Rebuild(settings, spec, owner, database, _say).run(app_role=f"{service.name}_app")
        _report(spec, rebuilt)
        if chosen.switch and rebuilt.equal:
            async with database.transaction() as connection:
                await registry.switch(connection, spec.name, rebuilt.version)
            _say(f"{spec.name}: version {rebuilt.version} is read from now on")
        return 0 if rebuilt.equal else 1

    return _with_databases(settings, work)


def reconcile(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """Compare without switching."""

    async def work(owner: Database, database: Database) -> int:
        spec = _spec(service, chosen.projection)
        found = await Rebuild(settings, spec, owner, database, _say).reconcile(chosen.version)
        _report(spec, found)
        return 0 if found.equal else 1

    return _with_databases(settings, work)


def switch(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """One statement, forwards or back."""

    async def work(owner: Database, database: Database) -> int:
        async with database.transaction() as connection:
            await registry.switch(connection, chosen.projection, chosen.version)
        _say(f"{chosen.projection}: version {chosen.version} is read from now on")
        return 0

    return _with_databases(settings, work)


def drop_version(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """Remove what nobody reads."""

    async def work(owner: Database, database: Database) -> int:
        async with owner.transaction() as connection:
            await registry.drop(connection, _spec(service, chosen.projection), chosen.version)
        _say(f"{chosen.projection}: version {chosen.version} removed")
        return 0

    return _with_databases(settings, work)


def show_parked(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """What was put aside and why; or apply it now."""

    async def work(owner: Database, database: Database) -> int:
        spec = _spec(service, chosen.projection)
        if chosen.action == "retry":
            applied, refused = await parked.retry(database, spec)
            _say(f"{spec.name}: {applied} applied, {refused} still refused")
            return 0 if not refused else 1
        for record in await parked.listed(database, spec):
            _say(f"v{record.version} {record.topic}-{record.partition} position {record.position}: {record.reason}")
        return 0

    return _with_databases(settings, work)


def recover_log(service: Service, settings: Settings, chosen: argparse.Namespace) -> int:
    """Re-import from the topic what fits behind the end of a restored store."""
    from services.chassis.recover import recover  # noqa: PLC0415  # Needed by this verb alone.

    async def work(owner: Database, database: Database) -> int:
        assert service.log is not None
        return await recover(settings, service.log(settings), database, write=chosen.yes, say=_say)

    return _with_databases(settings, work)


def _with_databases(settings: Settings, work: Callable[[Database, Database], Coroutine[Any, Any, int]]) -> int:
    async def run() -> int:
        owner = Database(_owner_url(settings), pool_size=2, application="operator (owner)")
        database = Database(settings.database_url.get_secret_value(), pool_size=4, application="operator")
        try:
            return await work(owner, database)
        finally:
            await owner.close()
            await database.close()

    return uvloop.run(run())


def _owner_url(settings: Settings) -> str:
    if settings.owner_database_url is None:
        raise Invalid(
            "owner_missing", "Set APUDIAARI_OWNER_DATABASE_URL: this verb works as the owner of the database."
        )
    return settings.owner_database_url.get_secret_value()


def _spec(service: Service, name: str) -> ProjectionSpec:
    for spec in service.projections:
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in service.projections)
    raise NotFound("projection_unknown", f"{service.name} has no projection {name}; it has: {known}.")


def _say(line: str) -> None:
    print(line, flush=True)


def _report(spec: ProjectionSpec, rebuilt: Rebuilt) -> None:
    where = ", ".join(f"{topic} {position}" for topic, position in sorted(rebuilt.at.items()))
    _say(f"{spec.name}: version {rebuilt.version} compared at {where}")
    for table, rows in rebuilt.rows.items():
        _say(f"  {table}: {rows} rows, {rebuilt.differing[table]} differ")
