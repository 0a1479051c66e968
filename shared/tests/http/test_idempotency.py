"""Idempotency keys on a real database: stored answers, conflicts, lost transactions, pruning."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import pytest
from joserfc.jwk import OKPKey

from switchboard.http import Body, Request, WriteRoute
from switchboard.http.idempotency import PRUNE
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.messaging.schema import MESSAGING_TABLES
from switchboard.postgres.database import Database, open_database
from switchboard.runtime.refusals import Conflict
from switchboard.testing.waiting import until

OTHER_USER = UUID("01890000-0000-7000-8000-000000000002")
OTHER_TENANT = UUID("01890000-0000-7000-8000-0000000000bb")


class NewThing(Body):
    name: str
    size: int = 1


class Thing(Body):
    id: int
    name: str


class Gate:
    """A handler that waits until the gate is open."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.refuses = False

    async def create(self, request: Request, work: Work) -> Thing:
        self.reached.set()
        await self.open.wait()
        number = await work.conn.fetchval("insert into things (name) values ($1) returning id", request.body.name)
        if self.refuses:
            raise Conflict
        return Thing(id=number, name=request.body.name)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    async with open_database(empty_database_url, application="demo") as database:
        async with database.connection() as conn:
            for statement in (*MESSAGING_TABLES, "create table things (id serial, name text)"):
                await conn.execute(statement)
        yield database


@pytest.fixture
async def client(start: Any, gate: Gate, database: Database) -> aiohttp.ClientSession:
    paths = ("/things", "/shelves/{id}/things")
    routes = [WriteRoute("POST", path, gate.create, body=NewThing, answer=Thing, creates=True) for path in paths]
    session: aiohttp.ClientSession = await start(routes, database=database)
    return session


@pytest.fixture
def keyed(as_anna: dict[str, str]) -> dict[str, str]:
    return {**as_anna, "Idempotency-Key": "k-1"}


async def names(database: Database) -> list[str]:
    async with database.connection() as conn:
        return [row["name"] for row in await conn.fetch("select name from things order by id")]


async def code_of(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json(content_type=None))["code"]


async def test_the_same_key_and_body_answer_the_same_response_again(
    client: aiohttp.ClientSession, keyed: dict[str, str], database: Database
) -> None:
    first = await client.post("/things", json={"name": "a", "size": 2}, headers=keyed)
    again = await client.post(
        "/things", data=b'{ "size":2, "name":"a"}', headers={**keyed, "Content-Type": "application/json"}
    )

    assert (first.status, await first.json()) == (201, {"id": 1, "name": "a"})
    assert (again.status, await again.read()) == (first.status, await first.read())
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert await names(database) == ["a"]


async def test_without_a_key_each_request_is_new(
    client: aiohttp.ClientSession, as_anna: dict[str, str], database: Database
) -> None:
    await client.post("/things", json={"name": "a"}, headers=as_anna)
    await client.post("/things", json={"name": "a"}, headers=as_anna)

    assert await names(database) == ["a", "a"]


async def test_the_same_key_for_another_body_or_path_is_a_conflict(
    client: aiohttp.ClientSession, keyed: dict[str, str], database: Database
) -> None:
    await client.post("/shelves/1/things", json={"name": "a"}, headers=keyed)

    other_body = await client.post("/shelves/1/things", json={"name": "b"}, headers=keyed)
    other_path = await client.post("/shelves/2/things", json={"name": "a"}, headers=keyed)

    assert await code_of(other_body) == (409, "idempotency_conflict")
    assert await code_of(other_path) == (409, "idempotency_conflict")
    assert await names(database) == ["a"]


async def test_a_key_belongs_to_its_user_tenant_and_route(
    client: aiohttp.ClientSession, keyed: dict[str, str], key: OKPKey, anna: Identity, database: Database
) -> None:
    def signed(user_id: UUID, tenant_id: UUID) -> dict[str, str]:
        identity = Identity(user_id, tenant_id, anna.role, anna.session_id)
        return {**keyed, IDENTITY_HEADER: IdentitySigner(key).sign(identity, "demo")}

    answers = [
        await client.post("/things", json={"name": "1"}, headers=keyed),
        await client.post("/things", json={"name": "2"}, headers=signed(OTHER_USER, anna.tenant_id)),
        await client.post("/things", json={"name": "3"}, headers=signed(anna.user_id, OTHER_TENANT)),
        await client.post("/shelves/1/things", json={"name": "4"}, headers=keyed),
    ]

    assert [answer.status for answer in answers] == [201] * 4
    assert await names(database) == ["1", "2", "3", "4"]


async def test_while_the_first_is_in_flight_a_second_is_409_in_progress(
    client: aiohttp.ClientSession, keyed: dict[str, str], gate: Gate, database: Database
) -> None:
    gate.open.clear()
    first = asyncio.create_task(client.post("/things", json={"name": "a"}, headers=keyed))
    await gate.reached.wait()

    second = await client.post("/things", json={"name": "a"}, headers=keyed)

    assert await code_of(second) == (409, "in_progress")
    gate.open.set()
    assert (await first).status == 201
    assert await names(database) == ["a"]


async def test_concurrent_repeats_all_get_the_stored_answer(
    client: aiohttp.ClientSession, keyed: dict[str, str], database: Database
) -> None:
    await client.post("/things", json={"name": "a"}, headers=keyed)

    answers = await asyncio.gather(*(client.post("/things", json={"name": "a"}, headers=keyed) for _ in range(20)))

    assert [answer.status for answer in answers] == [201] * 20
    assert await names(database) == ["a"]


async def test_a_refused_request_stores_nothing_and_can_be_retried(
    client: aiohttp.ClientSession, keyed: dict[str, str], gate: Gate, database: Database
) -> None:
    gate.refuses = True
    refused = await client.post("/things", json={"name": "a"}, headers=keyed)
    gate.refuses = False
    again = await client.post("/things", json={"name": "a"}, headers=keyed)

    assert (refused.status, again.status) == (409, 201)
    assert await names(database) == ["a"]


async def test_a_lost_transaction_leaves_no_key_behind(
    client: aiohttp.ClientSession, keyed: dict[str, str], gate: Gate, database: Database, empty_database_url: str
) -> None:
    gate.open.clear()
    dying = asyncio.create_task(client.post("/things", json={"name": "a"}, headers=keyed))
    await gate.reached.wait()
    admin = await asyncpg.connect(empty_database_url)
    await admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and state = 'idle in transaction'"
    )
    await admin.close()
    gate.open.set()

    died = await dying
    assert died.status == 503
    assert died.headers["Retry-After"]

    async def answers() -> bool:
        return (await client.post("/things", json={"name": "a"}, headers=keyed)).status == 201

    await until(answers)
    assert await names(database) == ["a"]


async def test_after_24_hours_a_key_is_new_again(
    client: aiohttp.ClientSession, keyed: dict[str, str], database: Database
) -> None:
    await client.post("/things", json={"name": "a"}, headers=keyed)
    await age(database, "24 hours 1 second")

    other = await client.post("/things", json={"name": "b"}, headers=keyed)
    again = await client.post("/things", json={"name": "b"}, headers=keyed)

    assert (other.status, await other.json()) == (201, {"id": 2, "name": "b"})
    assert await again.json() == {"id": 2, "name": "b"}


async def test_old_keys_are_pruned_and_young_ones_kept(
    client: aiohttp.ClientSession, keyed: dict[str, str], database: Database
) -> None:
    await client.post("/things", json={"name": "a"}, headers=keyed)
    await age(database, "24 hours 1 second")
    await client.post("/things", json={"name": "b"}, headers={**keyed, "Idempotency-Key": "k-2"})

    async with database.connection() as conn:
        await conn.execute(PRUNE)
        kept = await conn.fetch("select key from idempotency_keys")

    assert [row["key"] for row in kept] == ["k-2"]


@pytest.mark.parametrize("wrong", ["", " ", "é", "x" * 256, "a b"])
async def test_an_invalid_key_is_422(
    client: aiohttp.ClientSession, as_anna: dict[str, str], database: Database, wrong: str
) -> None:
    answer = await client.post("/things", json={"name": "a"}, headers={**as_anna, "Idempotency-Key": wrong})

    assert (await answer.json(content_type=None))["errors"][0]["loc"] == ["header", "Idempotency-Key"]
    assert await names(database) == []


async def age(database: Database, interval: str) -> None:
    async with database.connection() as conn:
        await conn.execute(f"update idempotency_keys set created_at = created_at - interval '{interval}'")
