"""Outages of the store and crashes of the process during uploads."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from files.actions.cleanup import clean_up
from files.metrics import FilesMetrics
from switchboard.testing import becomes

from .client import ANNA, PNG, Answer, FilesClient, digest, noise, open_client, trickle
from .processes import start_files_process
from .stores import PrivateStore, private_store, store_proxy

MIB = 1024 * 1024


@pytest.fixture
async def killable_store(tmp_path: Path) -> AsyncIterator[PrivateStore]:
    async with private_store(tmp_path / "store") as own:
        yield own


@pytest.fixture
async def killable_client(
    killable_store: PrivateStore, database_url: Callable[[str], str], amqp_url: str
) -> AsyncIterator[FilesClient]:
    """An instance with all its loops on a store that can be killed."""
    async with open_client(database_url("files"), killable_store.settings, amqp_url=amqp_url) as client:
        yield client


def assert_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.body["code"]) == (503, "unavailable"), answer.body
    assert int(answer.headers["Retry-After"]) >= 1


async def test_store_outage_answers_503_and_everything_recovers_afterwards(
    killable_client: FilesClient, killable_store: PrivateStore
) -> None:
    client = killable_client
    kept = (await client.upload(PNG, "kept.png")).body
    gone = (await client.upload(PNG, "gone.png")).body
    announced = await client.announce()
    await client.put(announced, PNG)
    completing = f"/files/uploads/{announced.body['id']}/complete"

    killable_store.kill()
    assert_unavailable(await client.upload(PNG, "a.png"))
    assert_unavailable(await client.stream(trickle(noise(6 * MIB)), 6 * MIB))
    assert_unavailable(await client.call(ANNA, "POST", completing))
    assert (await client.call(ANNA, "DELETE", f"/files/{gone['id']}")).status == 204
    assert [file["id"] for file in (await client.call(ANNA, "GET", "/files")).body["items"]] == [kept["id"]]

    await killable_store.start()
    done = await client.call(ANNA, "POST", completing)
    new = await client.upload(PNG, "new.png")
    assert (done.status, new.status) == (201, 201), (done.body, new.body)
    await becomes(client.objects, sorted([kept["key"], done.body["key"], new.body["key"]]), within=40)
    shown = await client.call(ANNA, "GET", f"/files/{done.body['id']}")
    assert (await client.download(shown.body["download_url"]))[:2] == (200, PNG)


@pytest.mark.parametrize("known", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_store_crash_during_an_upload_fails_only_that_upload(
    killable_client: FilesClient, killable_store: PrivateStore, known: bool
) -> None:
    client, content = killable_client, noise(24 * MIB)

    async def killing() -> AsyncIterator[bytes]:
        async for chunk in trickle(content[: 12 * MIB]):
            yield chunk
        killable_store.kill()
        async for chunk in trickle(content[12 * MIB :]):
            yield chunk

    assert_unavailable(await client.stream(killing(), len(content) if known else None))

    await killable_store.start()
    again = await client.stream(trickle(content), len(content) if known else None)
    assert (again.status, again.body["sha256"]) == (201, digest(content))
    await client.execute("update files set expires_at = now() - interval '1 minute' where state <> 'stored'")
    await repair(client)
    # nanio lists what it was writing when it died; its own draft is no object of ours
    assert [key for key in await client.objects() if "/.tmp." not in key] == [again.body["key"]]
    assert [row["state"] for row in await client.rows()] == ["stored"]


@pytest.mark.parametrize("size", [pytest.param(1000, marks=pytest.mark.slow), 6 * MIB])
async def test_cleanup_repairs_a_process_killed_before_its_commit(
    database_url: Callable[[str], str], amqp_url: str, bucket: dict[str, str], size: int
) -> None:
    url = database_url("files")
    killed = asyncio.Event()

    async def kill_once_it_is_stored(request: web.Request, status: int) -> None:
        whole = request.method == "PUT" and "partNumber" not in request.query
        if status == 200 and (whole or (request.method == "POST" and "uploadId" in request.query)):
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed.set()

    async with (
        open_client(url, bucket) as client,
        store_proxy(bucket, kill_once_it_is_stored) as between,
        start_files_process(url, between, amqp_url) as (process, there),
    ):
        kept = (await client.upload(PNG, "kept.png")).body
        async with aiohttp.ClientSession() as http:
            doomed = FilesClient(there, client.settings, http, client.database, client.bucket, client.signer)
            with pytest.raises(aiohttp.ClientError):
                await doomed.stream(trickle(noise(size)), size)
        await asyncio.wait_for(killed.wait(), 30)

        assert sorted(row["state"] for row in await client.rows()) == ["stored", "uploading"]
        assert len(await client.objects()) == 2
        assert [file["id"] for file in (await client.call(ANNA, "GET", "/files")).body["items"]] == [kept["id"]]
        await client.execute("update files set expires_at = now() - interval '1 minute' where state = 'uploading'")
        await repair(client)
        assert await client.objects() == [kept["key"]]
        assert [str(row["id"]) for row in await client.rows()] == [kept["id"]]


@pytest.mark.slow
async def test_an_interrupted_completion_can_be_claimed_after_its_lease(
    database_url: Callable[[str], str], amqp_url: str, bucket: dict[str, str]
) -> None:
    url = database_url("files")

    async def kill_once_it_is_taken_over(request: web.Request, status: int) -> None:
        if request.method == "PUT" and status == 200:
            process.send_signal(signal.SIGKILL)
            process.wait()

    async with (
        open_client(url, bucket) as client,
        store_proxy(bucket, kill_once_it_is_taken_over) as between,
        start_files_process(url, between, amqp_url) as (process, there),
    ):
        announced = await client.announce()
        await client.put(announced, PNG)
        completing = f"/files/uploads/{announced.body['id']}/complete"
        async with aiohttp.ClientSession() as http:
            doomed = FilesClient(there, client.settings, http, client.database, client.bucket, client.signer)
            with pytest.raises(aiohttp.ClientError):
                await doomed.call(ANNA, "POST", completing)

        early = await client.call(ANNA, "POST", completing)
        await client.execute("update files set expires_at = expires_at - interval '5 minutes'")
        done = await client.call(ANNA, "POST", completing)

        assert (early.status, early.body["code"]) == (409, "in_progress")
        assert (done.status, done.body["sha256"]) == (201, digest(PNG))
        assert await client.objects() == [done.body["key"]]


async def repair(client: FilesClient) -> None:
    await clean_up(client.deps, FilesMetrics(CollectorRegistry()), grace=timedelta(seconds=-1))


async def test_an_object_that_cant_be_deleted_delays_no_other(
    database_url: Callable[[str], str], bucket: dict[str, str]
) -> None:
    async with open_client(database_url("files"), bucket) as client:
        for name in ("a.png", "b.png", "c.png"):
            await client.upload(PNG, name)
        await client.execute("update files set state = 'uploading', expires_at = now() - interval '1 minute'")
        resisting = (await client.rows())[1]["key"]

        def refuses(request: web.Request) -> bool:
            return request.method == "DELETE" and request.path.endswith(resisting)

        async with (
            store_proxy(bucket, refuses=refuses) as between,
            open_client(client.settings.database_url, between) as other,
        ):
            found = await clean_up(other.deps, FilesMetrics(CollectorRegistry()), grace=timedelta(seconds=-1))

        assert (found.removed, found.failed) == (2, 1)
        assert await client.objects() == [resisting]
