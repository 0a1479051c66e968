"""The store goes away, and our own process does, at the worst moments."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from files.metrics import FilesMetrics
from files.workers.cleanup import clean_up
from switchboard.testing import becomes

from .processes import files_process
from .stores import OwnStore, own_store, passing_on
from .test_direct_uploads import announce
from .world import ANNA, PNG, Answer, World, digest, noise, open_world, trickle

MIB = 1024 * 1024


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[OwnStore]:
    async with own_store(tmp_path / "store") as own:
        yield own


@pytest.fixture
async def on_mortal(mortal: OwnStore, database_url: Callable[[str], str], amqp_url: str) -> AsyncIterator[World]:
    """All of an instance, on a store that can be killed."""
    async with open_world(database_url("files"), mortal.settings, amqp_url=amqp_url) as world:
        yield world


def assert_says_come_back(answer: Answer) -> None:
    assert (answer.status, answer.body["code"]) == (503, "unavailable"), answer.body
    assert int(answer.headers["Retry-After"]) >= 1


async def test_while_the_store_is_away_who_needs_it_is_told_to_come_back_and_then_all_goes_on(
    on_mortal: World, mortal: OwnStore
) -> None:
    world = on_mortal
    kept = (await world.upload(PNG, "kept.png")).body
    gone = (await world.upload(PNG, "gone.png")).body
    announced = await announce(world)
    await world.put(announced, PNG)
    completing = f"/files/uploads/{announced.body['id']}/complete"

    mortal.kill()
    assert_says_come_back(await world.upload(PNG, "a.png"))
    assert_says_come_back(await world.stream(trickle(noise(6 * MIB)), 6 * MIB))
    assert_says_come_back(await world.call(ANNA, "POST", completing))
    assert (await world.call(ANNA, "DELETE", f"/files/{gone['id']}")).status == 204
    assert [file["id"] for file in (await world.call(ANNA, "GET", "/files")).body["items"]] == [kept["id"]]

    await mortal.start()
    done = await world.call(ANNA, "POST", completing)
    new = await world.upload(PNG, "new.png")
    assert (done.status, new.status) == (201, 201), (done.body, new.body)
    await becomes(world.objects, sorted([kept["key"], done.body["key"], new.body["key"]]), within=40)
    shown = await world.call(ANNA, "GET", f"/files/{done.body['id']}")
    assert (await world.download(shown.body["download_url"]))[:2] == (200, PNG)


@pytest.mark.parametrize("known", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_a_store_that_dies_in_the_middle_of_an_upload_costs_that_upload_alone(
    on_mortal: World, mortal: OwnStore, known: bool
) -> None:
    world, content = on_mortal, noise(24 * MIB)

    async def killing() -> AsyncIterator[bytes]:
        async for chunk in trickle(content[: 12 * MIB]):
            yield chunk
        mortal.kill()
        async for chunk in trickle(content[12 * MIB :]):
            yield chunk

    assert_says_come_back(await world.stream(killing(), len(content) if known else None))

    await mortal.start()
    again = await world.stream(trickle(content), len(content) if known else None)
    assert (again.status, again.body["sha256"]) == (201, digest(content))
    await world.execute("update files set expires_at = now() - interval '1 minute' where state <> 'stored'")
    await mend(world)
    # nanio lists what it was writing when it died; its own draft is no object of ours
    assert [key for key in await world.objects() if "/.tmp." not in key] == [again.body["key"]]
    assert [row["state"] for row in await world.rows()] == ["stored"]


@pytest.mark.parametrize("size", [pytest.param(1000, marks=pytest.mark.slow), 6 * MIB])
async def test_a_process_killed_between_the_stores_yes_and_its_commit_leaves_what_the_cleanup_mends(
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
        open_world(url, bucket) as world,
        passing_on(bucket, kill_once_it_is_stored) as between,
        files_process(url, between, amqp_url) as (process, there),
    ):
        kept = (await world.upload(PNG, "kept.png")).body
        async with aiohttp.ClientSession() as http:
            doomed = World(there, world.settings, http, world.database, world.bucket, world.signer)
            with pytest.raises(aiohttp.ClientError):
                await doomed.stream(trickle(noise(size)), size)
        await asyncio.wait_for(killed.wait(), 30)

        assert sorted(row["state"] for row in await world.rows()) == ["stored", "uploading"]
        assert len(await world.objects()) == 2
        assert [file["id"] for file in (await world.call(ANNA, "GET", "/files")).body["items"]] == [kept["id"]]
        await world.execute("update files set expires_at = now() - interval '1 minute' where state = 'uploading'")
        await mend(world)
        assert await world.objects() == [kept["key"]]
        assert [str(row["id"]) for row in await world.rows()] == [kept["id"]]


@pytest.mark.slow
async def test_a_completion_that_was_cut_off_is_taken_up_again_once_its_lease_is_over(
    database_url: Callable[[str], str], amqp_url: str, bucket: dict[str, str]
) -> None:
    url = database_url("files")

    async def kill_once_it_is_taken_over(request: web.Request, status: int) -> None:
        if request.method == "PUT" and status == 200:
            process.send_signal(signal.SIGKILL)
            process.wait()

    async with (
        open_world(url, bucket) as world,
        passing_on(bucket, kill_once_it_is_taken_over) as between,
        files_process(url, between, amqp_url) as (process, there),
    ):
        announced = await announce(world)
        await world.put(announced, PNG)
        completing = f"/files/uploads/{announced.body['id']}/complete"
        async with aiohttp.ClientSession() as http:
            doomed = World(there, world.settings, http, world.database, world.bucket, world.signer)
            with pytest.raises(aiohttp.ClientError):
                await doomed.call(ANNA, "POST", completing)

        early = await world.call(ANNA, "POST", completing)
        await world.execute("update files set expires_at = expires_at - interval '5 minutes'")
        done = await world.call(ANNA, "POST", completing)

        assert (early.status, early.body["code"]) == (409, "in_progress")
        assert (done.status, done.body["sha256"]) == (201, digest(PNG))
        assert await world.objects() == [done.body["key"]]


async def mend(world: World) -> None:
    await clean_up(world.desk, FilesMetrics(CollectorRegistry()), grace=timedelta(seconds=-1))


async def test_an_object_that_resists_holds_up_no_other(
    database_url: Callable[[str], str], bucket: dict[str, str]
) -> None:
    async with open_world(database_url("files"), bucket) as world:
        for name in ("a.png", "b.png", "c.png"):
            await world.upload(PNG, name)
        await world.execute("update files set state = 'uploading', expires_at = now() - interval '1 minute'")
        resisting = (await world.rows())[1]["key"]

        def refuses(request: web.Request) -> bool:
            return request.method == "DELETE" and request.path.endswith(resisting)

        async with (
            passing_on(bucket, refuses=refuses) as between,
            open_world(world.settings.database_url, between) as other,
        ):
            found = await clean_up(other.desk, FilesMetrics(CollectorRegistry()), grace=timedelta(seconds=-1))

        assert (found.removed, found.failed) == (2, 1)
        assert await world.objects() == [resisting]
