"""Create a fresh database for each test, cloned from a template that was migrated once."""

import asyncio
import hashlib
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from switchboard.postgres.migrations import migrate, scripts_of

T = TypeVar("T")
TEMPLATES_LOCK = 5_313


class Databases:
    """Creates and drops databases. Runs in a separate thread, so that sync and async tests can use it."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="databases")
        self._thread.start()
        self._admin: asyncpg.Connection | None = None
        self._templates: dict[str, str] = {}

    def fresh(self, service: str) -> str:
        """Create a database with this service's tables, and return its URL."""
        return self._now(self._fresh(service.replace("-", "_")))

    def empty(self) -> str:
        """Create an empty database, and return its URL."""
        return self._now(self._create("empty", "template0"))

    def drop(self, url: str) -> None:
        """Drop the database, even if connections to it are open."""
        name = urlsplit(url).path.lstrip("/")
        self._now(self._execute(f'drop database if exists "{name}" with (force)'))

    def close(self) -> None:
        if self._admin is not None:
            self._now(self._admin.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _now(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    async def _fresh(self, package: str) -> str:
        if package not in self._templates:
            self._templates[package] = await self._template(package)
        return await self._create(package, self._templates[package])

    async def _create(self, prefix: str, template: str) -> str:
        name = f"{prefix}_{uuid4().hex[:12]}"
        await self._execute(f'create database "{name}" template "{template}"')
        return self._url(name)

    async def _template(self, package: str) -> str:
        """Return the template, created if missing. Its name has a digest of the migrations: it is never outdated."""
        scripts = scripts_of(package)
        name = f"template_{package}_{_digest(scripts)}"
        admin = await self._connection()
        await admin.execute("select pg_advisory_lock($1)", TEMPLATES_LOCK)
        try:
            if not await admin.fetchval("select 1 from pg_database where datname = $1", name):
                draft = f"{name}_{uuid4().hex[:6]}"
                await admin.execute(f'create database "{draft}" template template0')
                await migrate(scripts, self._url(draft))
                await admin.execute(f'alter database "{draft}" rename to "{name}"')
        finally:
            await admin.execute("select pg_advisory_unlock($1)", TEMPLATES_LOCK)
        return name

    async def _execute(self, statement: str) -> None:
        await (await self._connection()).execute(statement)

    async def _connection(self) -> asyncpg.Connection:
        """Return the admin's connection, reopened if a test restarted the server."""
        if self._admin is None or self._admin.is_closed():
            self._admin = await asyncpg.connect(self._server_url, timeout=30)
        return self._admin

    def _url(self, name: str) -> str:
        return urlsplit(self._server_url)._replace(path=f"/{name}").geturl()


def _digest(scripts: Path) -> str:
    shared = Path(__file__).resolve().parents[1] / "messaging" / "schema.py"
    content = b"".join(file.read_bytes() for file in [*sorted((scripts / "versions").glob("*.py")), shared])
    return hashlib.sha256(content).hexdigest()[:10]
