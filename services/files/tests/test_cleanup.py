"""Deleting, and mending what was cut off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from math import isnan
from uuid import UUID

from prometheus_client import CollectorRegistry

from files.metrics import FilesMetrics
from files.workers.cleanup import Findings, clean_up
from switchboard.contracts.files import FilesCleanup
from switchboard.testing import becomes, until

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


async def test_what_is_put_once_more_is_removed_if_it_was_taken_over_and_told_of_if_nobody_knows_it(
    world: World,
) -> None:
    announced = await announce(world)
    await world.put(announced, PNG)
    done = await world.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")
    await world.put(announced, PNG)
    waiting = await announce(world)
    await world.put(waiting, PNG)
    unknown = [f"incoming/{UUID(int=7)}", "incoming/what"]
    for key in unknown:
        await world.bucket.put(key, b"?", 1, content_type="text/plain", disposition="inline")

    findings = await cleaned(world)

    assert (findings.removed, findings.without_row) == (1, unknown)
    assert sorted(await world.objects()) == sorted([done.body["key"], f"incoming/{waiting.body['id']}", *unknown])


async def test_what_is_put_again_after_a_refusal_goes_with_its_row(world: World) -> None:
    announced = await announce(world, content_type="image/jpeg")
    await world.put(announced, PNG)
    assert (await world.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")).status == 409
    await world.put(announced, PNG)

    assert (await cleaned(world)).removed == 0  # its URL is still good
    await world.execute("update files set expires_at = now() - interval '1 minute'")
    assert (await cleaned(world)).removed == 1

    assert await world.objects() == []
    assert await world.rows() == []


async def test_what_a_cleanup_found_is_told_until_the_next_ones_must_have_been_done_elsewhere() -> None:
    registry, clock = CollectorRegistry(), [0.0]
    metrics = FilesMetrics(registry, lambda: clock[0])

    def told() -> float:
        return registry.get_sample_value("files_objects_without_row") or 0.0

    assert isnan(told())
    metrics.found(without_row=3, without_object=0)
    clock[0] = 7199.0
    assert told() == 3
    clock[0] = 7200.0
    assert isnan(told())


async def test_the_command_of_each_hour_cleans_up_and_tells(working: World) -> None:
    await working.upload(PNG, "old.png")
    await working.execute("update files set state = 'uploading', expires_at = now() - interval '11 minutes'")

    await working.command(FilesCleanup())

    await becomes(working.rows, [])
    await becomes(working.objects, [])

    async def told() -> set[str]:
        return {line for line in (await working.metrics()).splitlines() if line.startswith("files_")}

    await until(lambda: told_of(told, {"files_left_over_removed_total 1.0", "files_objects_without_row 0.0"}))


async def told_of(told: Callable[[], Awaitable[set[str]]], expected: set[str]) -> bool:
    return expected <= await told()
