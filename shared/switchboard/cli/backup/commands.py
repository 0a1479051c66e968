"""The operator commands `backup` and `restore`."""

import shutil
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console

from switchboard.cli.backup import messages, objects, tables
from switchboard.cli.backup.manifest import (
    FORMAT,
    BackedUpDatabase,
    Manifest,
    UnusableBackup,
    checksum,
    read_manifest,
    write_manifest,
)
from switchboard.cli.context import CommandContext, fail
from switchboard.cli.migrate import installed_with_migrations
from switchboard.cli.operator import environment_of
from switchboard.messaging.broker.connection import Broker
from switchboard.postgres.database import open_database
from switchboard.postgres.migrations import CONNECT_ERRORS
from switchboard.runtime.redis import open_redis
from switchboard.runtime.terminal import Terminal

KEY_FILE = "_KEY_FILE"
MESSAGES = "messages.jsonl.gz"
SERVICES = ("api-gateway", "auth", "files", "conversations", "realtime", "scheduler")

app = typer.Typer()


class NotAsAsked(Exception):
    """The command can't do what it was asked for. The text says why."""


@dataclass(frozen=True)
class Installation:
    """What there is to back up, as the settings of the services name it."""

    databases: Mapping[str, str]
    amqp_url: str
    redis_url: str
    store: Mapping[str, str]
    keys: Mapping[str, Path]

    @classmethod
    def of_environment(cls) -> "Installation":
        environments = {service: environment_of(service) for service in SERVICES}
        databases = {
            service: environments[service]["DATABASE_URL"]
            for service in installed_with_migrations()
            if "DATABASE_URL" in environments[service]
        }
        amqp_url = environment_of("messaging").get("AMQP_URL", "")
        if not databases or not amqp_url:
            raise NotAsAsked("no settings found: they are read from the files of SWITCHBOARD_ENV_DIR")
        store = environments["files"]
        keys = {
            f"{service}.{name}": Path(value)
            for service, settings in environments.items()
            for name, value in settings.items()
            if name.endswith(KEY_FILE)
        }
        return cls(databases, amqp_url, environments["auth"]["REDIS_URL"], store, keys)


@app.command()
def backup(directory: Annotated[Path, typer.Argument(help="A new directory.", metavar="DIR")]) -> None:
    """Back up databases, messages in transit, bucket and keys to DIR, while everything runs."""
    console = Terminal(stderr=True)
    if directory.exists() and any(directory.iterdir()):
        fail(f"{directory} is not empty")
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)  # it holds keys and personal data
    manifest = _run(_back_up(directory, console))
    rows = sum(table.rows for database in manifest.databases.values() for table in database.tables)
    console.print(
        f"{rows:,} rows of {len(manifest.databases)} databases, {manifest.messages} messages, "
        f"{manifest.objects} objects, {len(manifest.keys)} key files in {directory}"
    )


@app.command()
def restore(
    directory: Annotated[Path, typer.Argument(help="The directory of a backup.", metavar="DIR")],
    overwrite: Annotated[bool, typer.Option(help="Replace databases that have data.")] = False,
) -> None:
    """Check the backup in DIR, and replace databases, queues, bucket and keys by it. All services must be stopped."""
    console = Terminal(stderr=True)
    console.print("checking the backup")
    manifest = _run(_restore(directory, overwrite=overwrite, console=console))
    console.print(f"restored the state of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC; start the services now")


def _run(work: Any) -> Manifest:
    try:
        manifest: Manifest = CommandContext("backup").run(work)
    except (NotAsAsked, UnusableBackup, messages.QueuesBusy, messages.ServicesRunning) as error:
        fail(str(error))
    except CONNECT_ERRORS as error:
        fail(f"a server is unavailable: {str(error) or type(error).__name__}")
    return manifest


async def _back_up(directory: Path, console: Console) -> Manifest:
    installation = Installation.of_environment()
    saved: dict[str, dict[str, Any]] = {}
    async with objects.open_store(installation.store) as store:
        await objects.save_objects(store, directory, saved, console)
        taken_at, databases, waiting = await _back_up_databases(installation, directory, console)
        await objects.save_objects(store, directory, saved, console)  # those of files stored meanwhile
    objects.write_list(directory, saved)
    keys = {}
    (directory / "keys").mkdir()
    for name, file in installation.keys.items():
        shutil.copy(file, directory / "keys" / name)
        keys[name] = file.name
    files = {
        path.relative_to(directory).as_posix(): checksum(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    manifest = Manifest(
        format=FORMAT,
        taken_at=taken_at,
        databases=databases,
        messages=waiting,
        objects=len(saved),
        keys=keys,
        files=files,
    )
    write_manifest(directory, manifest)
    return manifest


async def _back_up_databases(
    installation: Installation, directory: Path, console: Console
) -> tuple[datetime, dict[str, BackedUpDatabase], int]:
    """Read all databases as of one moment at which no message is between them."""
    broker = Broker(installation.amqp_url, "backup")
    async with AsyncExitStack() as reading:
        conns = {
            service: await reading.enter_async_context(tables.open_connection(url))
            for service, url in installation.databases.items()
        }
        try:
            async with AsyncExitStack() as pausing:
                opened = [
                    await pausing.enter_async_context(open_database(url, application=service, size=1))
                    for service, url in installation.databases.items()
                ]
                console.print("pausing the outbox relays until the queues are empty")
                async with messages.paused_relays(opened):
                    await messages.wait_until_drained(broker)
                    for conn in conns.values():
                        await reading.enter_async_context(tables.snapshot(conn))
                    taken_at = datetime.now(UTC)
                    waiting = await messages.save_messages(broker, directory / MESSAGES)
        finally:
            await broker.close()
        console.print("copying the databases")
        databases = {
            service: await tables.copy_out(conn, directory / "databases" / service) for service, conn in conns.items()
        }
    return taken_at, databases, waiting


async def _restore(directory: Path, *, overwrite: bool, console: Console) -> Manifest:
    manifest = read_manifest(directory)
    installation = Installation.of_environment()
    missing = sorted(set(manifest.databases) - set(installation.databases))
    if missing:
        raise NotAsAsked(f"the backup has databases that no setting names: {', '.join(missing)}")
    broker = Broker(installation.amqp_url, "restore")
    try:
        await messages.check_nobody_consumes(broker)
        for service in manifest.databases:
            await _check_replaceable(service, installation.databases[service], overwrite=overwrite)
        for name in manifest.keys:
            _restore_key(directory / "keys" / name, installation.keys.get(name), name)
        console.print("restoring the bucket")
        async with objects.open_store(installation.store) as store:
            await objects.restore_objects(store, directory, console)
        for service, database in manifest.databases.items():
            console.print(f"restoring {service}")
            folder = directory / "databases" / service
            await tables.copy_in(service, installation.databases[service], database, folder)
        await messages.restore_messages(broker, directory / MESSAGES)
        async with open_redis(installation.redis_url) as redis:
            await redis.flushdb()  # sessions, rate limits and the event log are computed again
    finally:
        await broker.close()
    return manifest


async def _check_replaceable(service: str, url: str, *, overwrite: bool) -> None:
    async with tables.open_connection(url) as conn:
        if await tables.count_sessions(conn, service):
            raise messages.ServicesRunning(f"{service} is connected to its database: stop all services first")
        try:
            has_rows = await tables.has_rows(conn)
        except asyncpg.UndefinedTableError:
            has_rows = False
        if has_rows and not overwrite:
            raise NotAsAsked(f"the database of {service} has data: --overwrite replaces it")


def _restore_key(source: Path, target: Path | None, name: str) -> None:
    if target is None:
        raise NotAsAsked(f"the backup has the keys {name}, and no setting says where they belong")
    if target.exists() and target.read_bytes() != source.read_bytes():
        target.replace(target.with_name(f"{target.name}.before-restore"))
    if not target.exists():
        shutil.copy(source, target)
        target.chmod(0o600)
