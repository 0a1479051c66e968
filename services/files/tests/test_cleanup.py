"""Deleting, and mending what was cut off."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import CollectorRegistry

from files.actions.cleanup import Findings, clean_up
from files.metrics import FilesMetrics
from switchboard.testing import becomes

from .test_direct_uploads import announce
from .world import ANNA, PNG, World, noise

NOW = timedelta(seconds=-1)


async def cleaned(world: World) -> Findings:
    return await clean_up(world.desk, FilesMetrics(CollectorRegistry()), grace=NOW, settled=NOW)


async def test_deleted_means_gone_by_event(working: World) -> None:
    made = (await working.upload(PNG, "a.png")).body
    url = (await working.call(ANNA, "GET", f"/files/{made['id']}")).body["download_url"]

    assert (await working.call(ANNA, "DELETE", f"/files/{made['id']}")).status == 204

    assert (await working.call(ANNA, "GET", f"/files/{made['id']}")).status == 404
    assert (await working.call(ANNA, "DELETE", f"/files/{made['id']}")).status == 404
    await becomes(working.objects, [])
    await becomes(working.rows, [])
    assert (await working.download(url))[0] == 404


async def test_what_a_killed_process_left_of_an_upload_is_removed_once_it_ran_out(world: World) -> None:
    stored = (await world.upload(PNG, "a.png")).body
    killed = (await world.upload(PNG, "b.png")).body  # as killed between the store's yes and the commit
    await world.execute(
        "update files set state = 'uploading', expires_at = now() - interval '1 minute' where name = 'b.png'"
    )
    half = (await world.upload(PNG, "c.png")).body  # as killed in the middle
    await world.execute(
        "update files set state = 'uploading', expires_at = now() - interval '1 minute' where name = 'c.png'"
    )
    upload = await world.bucket.begin(half["key"], content_type="image/png", disposition="inline")
    await world.bucket.put_part(upload, 1, noise(1000), 1000)
    running = await announce(world)

    findings = await cleaned(world)

    assert (findings.removed, findings.without_row, findings.without_object) == (2, [], [])
    assert await world.objects() == [stored["key"]]
    assert {str(row["id"]) for row in await world.rows()} == {stored["id"], running.body["id"]}
    assert killed["key"] not in await world.objects()


async def test_an_object_without_row_is_told_of_and_kept_and_a_row_without_object_told_of(world: World) -> None:
    lost = (await world.upload(PNG, "lost.png")).body
    kept = (await world.upload(PNG, "kept.png")).body
    await world.bucket.delete(lost["key"])
    await world.bucket.put("documents/unknown", b"?", 1, content_type="text/plain", disposition="inline")

    findings = await cleaned(world)

    assert findings.without_row == ["documents/unknown"]
    assert findings.without_object == [lost["key"]]
    assert sorted(await world.objects()) == sorted([kept["key"], "documents/unknown"])
