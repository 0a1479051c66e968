"""The original's folder, in and out."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from files.actions.deletion import erase_bytes
from switchboard.contracts.envelope import Envelope
from switchboard.testing import until

from .world import ANNA, TENANT, World, noise

COMMAND = [sys.executable, "-m", "switchboard.cli.operator"]


def write_folder(folder: Path, count: int) -> dict[str, bytes]:
    """Files as the original named them; by path."""
    folder.mkdir(parents=True)
    contents = {f"{uuid4()}-Offer {n} für Anna.txt": f"{n} ".encode() * (n % 50) for n in range(count - 2)}
    contents |= {f"{uuid4()}-photo.PNG": noise(300_000), f"sub/{uuid4()}-a-b.tar.gz": noise(5000)}
    for path, content in contents.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    return contents


async def operate(world: World, *words: str) -> asyncio.subprocess.Process:
    settings = {
        "DATABASE_URL": world.settings.database_url,
        **{name.upper(): str(value) for name, value in world.settings.model_dump().items() if name.startswith("s3_")},
    }
    environment = {**os.environ, **{name: value for name, value in settings.items() if value != "None"}}
    return await asyncio.create_subprocess_exec(
        *COMMAND, *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    output, _ = await process.communicate()
    return process.returncode, " ".join(output.decode().split())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
async def test_small_files_survive_a_kill_in_the_middle_and_come_back_byte_for_byte(
    strict: World, tmp_path: Path, count: int
) -> None:
    contents = write_folder(tmp_path / "in", count)
    mapped = next(iter(contents))
    (tmp_path / "map.csv").write_text(f"path,entity_type,entity_id\nuploads/documents/{mapped},deal,7\n")
    migrate = ["migrate-files", "--from", str(tmp_path / "in"), "--map", str(tmp_path / "map.csv")]
    migrate += ["--tenant", str(TENANT), "--user", str(ANNA.user_id)]

    code, told = await ended(await operate(strict, *migrate, "--dry-run"))
    assert (code, f"{count} would be added" in told) == (0, True), told
    killed = await operate(strict, *migrate, "--workers", "1")
    await until(lambda: has_rows(strict, count // 10), within=60)
    killed.send_signal(signal.SIGKILL)
    await ended(killed)
    code, told = await ended(await operate(strict, *migrate))
    assert code == 0, told
    code, told = await ended(await operate(strict, *migrate, "--verify"))
    assert (code, f"{count} were there already" in told) == (0, True), told

    rows = await strict.rows()
    assert len(rows) == count
    assert {row["state"] for row in rows} == {"stored"}
    assert [(row["entity_type"], row["entity_id"]) for row in rows if row["source_path"] == mapped] == [("deal", "7")]
    code, told = await ended(
        await operate(strict, "export-files", "--to", str(tmp_path / "out"), "--tenant", str(TENANT))
    )
    assert code == 0, told
    found = {
        file.relative_to(tmp_path / "out").as_posix(): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file() and file.name != "map.csv"
    }
    assert found == contents


async def migrate(world: World, folder: Path, *more: str) -> tuple[int | None, str]:
    words = ["--from", str(folder), "--tenant", str(TENANT), "--user", str(ANNA.user_id), *more]
    return await ended(await operate(world, "migrate-files", *words))


async def test_a_file_that_changed_since_is_told_of_one_deleted_since_stays_so_and_the_rest_goes_on(
    strict: World, tmp_path: Path
) -> None:
    contents = write_folder(tmp_path / "in", 6)
    changed, deleted, lost, *_ = contents
    assert (await migrate(strict, tmp_path / "in"))[0] == 0
    (tmp_path / "in" / changed).write_bytes(b"changed")
    (tmp_path / "in" / "Offer of 1. May 2024, final").write_bytes(b"?")
    (tmp_path / "in" / "unreadable.txt").symlink_to("nowhere")
    (tmp_path / "in" / ("x" * 250 + ".txt")).write_bytes(b"long")
    document = next(row for row in await strict.rows() if row["source_path"] == deleted)
    assert (await strict.call(ANNA, "DELETE", f"/files/{document['id']}")).status == 204
    await erased(strict)

    await strict.bucket.delete(next(row["key"] for row in await strict.rows() if row["source_path"] == lost))

    code, told = await migrate(strict, tmp_path / "in", "--verify")

    assert code == 1
    for words in ("1 changed", "1 broken", "1 were deleted since", "2 added", "3 were there already"):
        assert words in told, told
    assert {row["name"] for row in await strict.rows()} >= {"Offer of 1. May 2024, final", "x" * 250 + ".txt"}
    assert len(await strict.rows()) == 7


async def erased(world: World) -> None:
    """As its event would have it."""
    async with world.database.connection() as conn:
        for row in await conn.fetch("select body from outbox where type = 'file.deleted'"):
            await erase_bytes([Envelope.decode(row["body"])], world.desk)


async def test_what_the_bucket_lost_is_told_of_and_all_else_exported_whatever_it_is_called(
    strict: World, tmp_path: Path
) -> None:
    lost = (await strict.upload(b"lost", "lost.txt")).body
    damaged = (await strict.upload(b"damaged", "damaged.txt")).body
    kept = (await strict.upload(b"kept", "Überweisung " + "ü" * 400 + ".pdf")).body
    await strict.bucket.delete(lost["key"])
    await strict.bucket.put(damaged["key"], b"DAMAGED", 7, content_type="text/plain", disposition="inline")

    export = await operate(strict, "export-files", "--to", str(tmp_path / "out"), "--tenant", str(TENANT))
    code, told = await ended(export)

    assert code == 1
    assert "1 documents" in told
    assert "2 lost" in told
    (found,) = [file for file in (tmp_path / "out").iterdir() if file.name != "map.csv"]
    assert found.read_bytes() == b"kept"
    assert found.name.startswith(f"{kept['id']}-Überweisung ü")
    assert found.suffix == ".pdf"


async def has_rows(world: World, count: int) -> bool:
    return len(await world.rows()) >= count
