"""Uploading straight to the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from files.adapters.bucket import CONNECTIONS
from switchboard.testing import becomes

from .world import ANNA, LEAD, PNG, Answer, World, digest, open_world


async def announce(world: World, *, forwarded: dict[str, str] | None = None, **changes: Any) -> Answer:
    wanted = {"name": "a.png", "size": len(PNG), "content_type": "image/png", **LEAD, **changes}
    return await world.call(ANNA, "POST", "/files/uploads", wanted, forwarded=forwarded)


async def test_what_was_put_as_announced_is_there_after_complete(world: World) -> None:
    announced = await announce(world, sha256=digest(PNG))
    assert announced.status == 201, announced.body

    assert await world.put(announced, PNG) == 200
    done = await world.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")
    again = await world.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")

    assert (done.status, done.body["sha256"], done.body["id"]) == (201, digest(PNG), announced.body["id"])
    assert (again.status, again.body) == (201, done.body)
    assert await world.objects() == [done.body["key"]]
    shown = await world.call(ANNA, "GET", f"/files/{done.body['id']}")
    status, content, headers = await world.download(shown.body["download_url"], Range="bytes=1-3")
    assert (status, content, headers["Content-Type"]) == (206, b"PNG", "image/png")


async def test_what_was_declared_as_mere_bytes_is_what_its_bytes_say(world: World) -> None:
    announced = await announce(world, content_type="application/octet-stream")
    await world.put(announced, PNG)

    done = await world.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")

    assert (done.status, done.body["content_type"]) == (201, "image/png")


async def test_many_completions_at_once_do_not_wait_for_each_others_connections(strict: World) -> None:
    announced = [await announce(strict) for _ in range(CONNECTIONS + 16)]
    await asyncio.gather(*(strict.put(one, PNG) for one in announced))

    done = await asyncio.gather(
        *(strict.call(ANNA, "POST", f"/files/uploads/{one.body['id']}/complete") for one in announced)
    )

    assert {answer.status for answer in done} == {201}


async def test_completing_before_anything_was_put_can_be_done_again_later(world: World) -> None:
    announced = await announce(world)

    early = await world.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")
    await world.put(announced, PNG)
    later = await world.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")

    assert (early.status, early.body["code"]) == (409, "nothing_uploaded")
    assert later.status == 201


@pytest.mark.parametrize(
    ("announcement", "content"),
    [
        ({"size": len(PNG) + 1}, PNG),
        ({"content_type": "image/jpeg"}, PNG),
        ({"content_type": "application/pdf"}, b"<svg onload=alert(1)>" + bytes(0)),
        ({"content_type": "text/plain", "size": 23}, b"<script>alert(1)</script>"[:23]),
        ({"sha256": digest(b"other")}, PNG),
    ],
)
async def test_what_is_not_as_announced_is_refused_and_gone(
    world: World, announcement: dict[str, Any], content: bytes
) -> None:
    announced = await announce(world, **{"size": len(content), **announcement})
    await world.bucket.put(
        f"incoming/{announced.body['id']}", content, len(content), content_type="image/png", disposition="inline"
    )

    done = await world.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")

    assert (done.status, done.body["code"]) == (409, "upload_mismatch")
    assert await world.objects() == []
    assert (await world.call(ANNA, "GET", f"/files/{announced.body['id']}")).status == 404


async def test_the_url_is_for_just_this_object_size_and_type(strict: World) -> None:
    announced = await announce(strict)
    elsewhere = Answer(0, {**announced.body, "url": announced.body["url"].replace("incoming/", "documents/")}, {})

    assert await strict.put(announced, PNG + b"!") == 403
    assert await strict.put(announced, PNG, **{"Content-Type": "text/html"}) == 403
    assert await strict.put(elsewhere, PNG) == 403
    assert await strict.objects() == []


async def test_where_clients_reach_the_store_through_the_gateway_urls_name_the_one_that_was_asked(
    database_url: Callable[[str], str], bucket: dict[str, str]
) -> None:
    asked = {"X-Forwarded-Host": "crm.example:8081", "X-Forwarded-Proto": "https"}
    async with open_world(database_url("files"), bucket, s3_through_gateway=True) as world:
        made = (await world.upload(PNG, "a.png")).body

        announced = await announce(world, forwarded=asked)
        shown = await world.call(ANNA, "GET", f"/files/{made['id']}", forwarded=asked)
        within = await world.call(ANNA, "GET", f"/files/{made['id']}")

        there = f"https://crm.example:8081/s3/{bucket['S3_BUCKET']}/"
        assert announced.body["url"].startswith(f"{there}incoming/{announced.body['id']}?")
        assert shown.body["download_url"].startswith(f"{there}{made['key']}?")
        assert (await world.download(within.body["download_url"]))[:2] == (200, PNG)


async def test_a_tampered_or_expired_download_url_is_refused(strict: World) -> None:
    one, two = [(await strict.upload(PNG, f"{n}.png")).body for n in (1, 2)]
    url = (await strict.call(ANNA, "GET", f"/files/{one['id']}")).body["download_url"]
    old = await strict.bucket.signed_download(one["key"], 1)

    assert (await strict.download(url))[0] == 200
    assert (await strict.download(url.replace(one["id"], two["id"])))[0] == 403
    assert (await strict.download(url[:-1] + ("0" if url[-1] != "0" else "1")))[0] == 403

    async def of_old() -> int:
        return (await strict.download(old))[0]

    await becomes(of_old, 403, within=5)


@pytest.mark.parametrize("changes", [{"size": -1}, {"content_type": "png"}, {"name": "a\0"}, {"more": 1}])
async def test_a_senseless_announcement_is_invalid(world: World, changes: dict[str, Any]) -> None:
    answer = await announce(world, **changes)

    assert (answer.status, answer.body["code"]) == (422, "invalid")


async def test_an_announcement_over_the_limit_is_refused(world: World) -> None:
    answer = await announce(world, size=world.settings.max_upload_bytes + 1)

    assert (answer.status, answer.body["code"]) == (413, "too_large")
