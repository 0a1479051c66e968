"""Deletion and cleanup."""

from datetime import timedelta
from uuid import UUID

from prometheus_client import CollectorRegistry

from files.actions.cleanup import CleanupReport, clean_up
from files.metrics import FilesMetrics
from switchboard.contracts.files import FilesCleanup
from switchboard.testing import becomes, until

from .client import ANNA, PNG, FilesClient, noise

NOW = timedelta(seconds=-1)


async def run_cleanup(client: FilesClient) -> CleanupReport:
    return await clean_up(client.deps, FilesMetrics(CollectorRegistry()), grace=NOW, settled=NOW)


async def test_deletion_removes_row_and_bytes_by_event(running_client: FilesClient) -> None:
    made = (await running_client.upload(PNG, "a.png")).body
    url = (await running_client.call(ANNA, "GET", f"/files/{made['id']}")).body["download_url"]

    assert (await running_client.call(ANNA, "DELETE", f"/files/{made['id']}")).status == 204

    assert (await running_client.call(ANNA, "GET", f"/files/{made['id']}")).status == 404
    assert (await running_client.call(ANNA, "DELETE", f"/files/{made['id']}")).status == 404
    await becomes(running_client.objects, [])
    await becomes(running_client.rows, [])
    assert (await running_client.download(url))[0] == 404


async def test_remains_of_an_upload_are_removed_after_it_expired(client: FilesClient) -> None:
    stored = (await client.upload(PNG, "a.png")).body
    killed = (await client.upload(PNG, "b.png")).body  # as if killed between the put and the commit
    await client.execute(
        "update files set state = 'uploading', expires_at = now() - interval '1 minute' where name = 'b.png'"
    )
    half = (await client.upload(PNG, "c.png")).body  # as if killed during the put
    await client.execute(
        "update files set state = 'uploading', expires_at = now() - interval '1 minute' where name = 'c.png'"
    )
    upload = await client.bucket.begin_multipart(half["key"], content_type="image/png", disposition="inline")
    await client.bucket.put_part(upload, 1, noise(1000))
    running = await client.announce()

    report = await run_cleanup(client)

    assert (report.removed, report.without_row, report.without_object) == (2, [], [])
    assert await client.objects() == [stored["key"]]
    assert {str(row["id"]) for row in await client.rows()} == {stored["id"], running.body["id"]}
    assert killed["key"] not in await client.objects()


async def test_object_without_row_is_kept_and_both_mismatches_are_reported(client: FilesClient) -> None:
    lost = (await client.upload(PNG, "lost.png")).body
    kept = (await client.upload(PNG, "kept.png")).body
    await client.bucket.delete(lost["key"])
    await client.bucket.put("documents/unknown", b"?", 1, content_type="text/plain", disposition="inline")

    report = await run_cleanup(client)

    assert report.without_row == ["documents/unknown"]
    assert report.without_object == [lost["key"]]
    assert sorted(await client.objects()) == sorted([kept["key"], "documents/unknown"])


async def test_a_second_put_is_deleted_if_completed_and_reported_if_unknown(
    client: FilesClient,
) -> None:
    announced = await client.announce()
    await client.put(announced, PNG)
    done = await client.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")
    await client.put(announced, PNG)
    waiting = await client.announce()
    await client.put(waiting, PNG)
    unknown = [f"incoming/{UUID(int=7)}", "incoming/what"]
    for key in unknown:
        await client.bucket.put(key, b"?", 1, content_type="text/plain", disposition="inline")

    report = await run_cleanup(client)

    assert (report.removed, report.without_row) == (1, unknown)
    assert sorted(await client.objects()) == sorted([done.body["key"], f"incoming/{waiting.body['id']}", *unknown])


async def test_a_second_put_after_a_mismatch_is_removed_with_its_row(client: FilesClient) -> None:
    announced = await client.announce(content_type="image/jpeg")
    await client.put(announced, PNG)
    assert (await client.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")).status == 409
    await client.put(announced, PNG)

    assert (await run_cleanup(client)).removed == 0  # its URL is still good
    await client.execute("update files set expires_at = now() - interval '1 minute'")
    assert (await run_cleanup(client)).removed == 1

    await becomes(client.objects, [])
    assert await client.rows() == []


async def test_the_hourly_command_cleans_up_and_updates_the_metrics(running_client: FilesClient) -> None:
    await running_client.upload(PNG, "old.png")
    await running_client.execute("update files set state = 'uploading', expires_at = now() - interval '11 minutes'")

    await running_client.command(FilesCleanup())

    await becomes(running_client.rows, [])
    await becomes(running_client.objects, [])

    async def has_metrics() -> bool:
        lines = set((await running_client.metrics()).splitlines())
        return lines >= {"files_left_over_removed_total 1.0", "files_objects_without_row 0.0"}

    await until(has_metrics)
