"""Read and write routes on a real database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from switchboard.http import HttpContext, ReadRoute, Request, WriteRoute, http_app
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres.database import Database, open_database
from switchboard.postgres.standby import StandbyRequired
from switchboard.runtime.refusals import Conflict


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    async with open_database(empty_database_url, application="demo", size=2) as database:
        async with database.connection() as conn:
            await conn.execute("create table things (name text)")
        yield database


async def test_a_write_is_rolled_back_when_it_is_refused_or_fails(
    start: Any, database: Database, as_anna: dict[str, str]
) -> None:
    async def add(request: Request, work: Work) -> None:
        await work.conn.execute("insert into things values ($1)", request.path["how"])
        match request.path["how"]:
            case "refused":
                raise Conflict
            case "broken":
                raise RuntimeError

    async def count(_request: Request, conn: asyncpg.Connection) -> dict[str, int]:
        return {"count": await conn.fetchval("select count(*) from things")}

    client = await start(
        [WriteRoute("POST", "/{how}", add), ReadRoute("GET", "/count", count, answer=dict[str, int])], database=database
    )

    statuses = [(await client.post(f"/{how}", headers=as_anna)).status for how in ("refused", "broken", "good")]

    assert statuses == [409, 500, 204]
    assert await (await client.get("/count", headers=as_anna)).json() == {"count": 1}


async def test_reads_go_on_without_a_required_standby_and_writes_do_not(
    start: Any, database: Database, as_anna: dict[str, str]
) -> None:
    async def add(_request: Request, work: Work) -> None:
        await work.conn.execute("insert into things values ('a')")

    async def count(_request: Request, conn: asyncpg.Connection) -> dict[str, int]:
        return {"count": await conn.fetchval("select count(*) from things")}

    client = await start(
        [WriteRoute("POST", "/add", add), ReadRoute("GET", "/count", count, answer=dict[str, int])], database=database
    )
    assert (await client.post("/add", headers=as_anna)).status == 204

    with pytest.raises(StandbyRequired):
        await database.require_standby()
    refused = await client.post("/add", headers=as_anna)

    assert refused.status == 503
    assert refused.headers["Retry-After"] == "2"
    assert (await refused.json())["code"] == "no_standby"
    assert await (await client.get("/count", headers=as_anna)).json() == {"count": 1}


async def test_a_write_acts_for_the_caller_s_tenant(
    start: Any, database: Database, as_anna: dict[str, str], anna: Any
) -> None:
    seen = []

    async def note(_request: Request, work: Work) -> None:
        seen.append(work.tenant_id)

    client = await start(
        [WriteRoute("POST", "/note", note), WriteRoute("POST", "/open", note, public=True)], database=database
    )

    await client.post("/note", headers=as_anna)
    await client.post("/open")

    assert seen == [anna.tenant_id, None]


async def test_a_write_completes_when_its_client_disconnects(
    start: Any, database: Database, as_anna: dict[str, str]
) -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(_request: Request, work: Work) -> None:
        begun.set()
        await go_on.wait()
        await work.conn.execute("insert into things values ('a')")
        done.set()

    client = await start([WriteRoute("POST", "/slowly", slowly)], database=database)
    request = asyncio.create_task(client.post("/slowly", headers=as_anna))
    await begun.wait()

    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    go_on.set()

    async with asyncio.timeout(5):
        await done.wait()


async def test_a_slow_request_times_out(start: Any, database: Database, as_anna: dict[str, str]) -> None:
    async def forever(_request: Request, conn: asyncpg.Connection) -> None:
        await conn.execute("select pg_sleep(60)")

    client = await start([ReadRoute("GET", "/forever", forever, answer=None)], database=database, timeout=0.1)

    answer = await client.get("/forever", headers=as_anna)

    assert answer.status == 503
    assert (await answer.json(content_type=None))["code"] == "timeout"
    assert answer.headers["Retry-After"] == "1"


class Line:
    """The line to a server, which can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._writers: list[asyncio.StreamWriter] = []
        self._listening: asyncio.Server
        self.port = 0

    async def open(self) -> None:
        self._listening = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._listening.close()
        for writer in self._writers:
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._server)
        self._writers += [writer, there_writer]
        await asyncio.gather(_pass_on(reader, there_writer), _pass_on(there_reader, writer), return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
    writer.close()


async def test_requests_recover_after_the_database_was_unavailable(
    start: Any, empty_database_url: str, as_anna: dict[str, str], health: Any
) -> None:
    async def look(_request: Request, conn: asyncpg.Connection) -> dict[str, int]:
        return {"one": await conn.fetchval("select 1")}

    address = urlsplit(empty_database_url)
    line = Line(address.hostname or "", address.port or 0)
    await line.open()
    here = address._replace(netloc=f"{address.username}:{address.password}@127.0.0.1:{line.port}").geturl()
    async with open_database(here, application="demo", size=2) as database:
        health.add("database", database.check, ready=True)
        client = await start([ReadRoute("GET", "/look", look, answer=dict[str, int])], database=database)
        assert (await client.get("/look", headers=as_anna)).status == 200

        line.cut()
        unavailable = await client.get("/look", headers=as_anna)
        unready = await client.get("/readyz")
        await line.open()
        back = await client.get("/look", headers=as_anna)
        line.cut()

    assert (unavailable.status, unready.status, back.status) == (503, 503, 200)
    assert unavailable.headers["Retry-After"]


def test_a_route_that_cannot_be_served_is_refused_at_the_start(health: Any) -> None:
    async def anything(_request: Request) -> None: ...

    for route in (ReadRoute("GET", "/a", anything, answer=None, public=True), WriteRoute("POST", "/a", anything)):
        with pytest.raises(ValueError, match="/a: "):
            http_app("demo", [route], HttpContext(health))
    with pytest.raises(ValueError, match="Idempotency-Key"):
        WriteRoute("POST", "/a", anything, answer=dict, public=True, creates=True)


async def test_a_write_that_waits_for_a_lock_is_503_with_a_retry_after(
    start: Any, database: Database, as_anna: dict[str, str]
) -> None:
    async def add(_request: Request, work: Work) -> None:
        await work.conn.execute("set local lock_timeout = 20")
        await work.conn.execute("insert into things values ('a')")

    client = await start([WriteRoute("POST", "/add", add)], database=database)

    async with database.transaction() as conn:
        await conn.execute("lock table things")
        answer = await client.post("/add", headers=as_anna)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
