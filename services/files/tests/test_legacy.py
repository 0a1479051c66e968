"""Import and export of the legacy platform's folder."""

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

from .client import ANNA, TENANT, FilesClient, noise

COMMAND = [sys.executable, "-m", "switchboard.cli.operator"]


def write_folder(folder: Path, count: int) -> dict[str, bytes]:
    """Write files as the legacy platform named them. Returns their contents by path."""
    folder.mkdir(parents=True)
    contents = {f"{uuid4()}-Offer {n} für Anna.txt": f"{n} ".encode() * (n % 50) for n in range(count - 2)}
    contents |= {f"{uuid4()}-photo.PNG": noise(300_000), f"sub/{uuid4()}-a-b.tar.gz": noise(5000)}
    for path, content in contents.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    return contents


async def operate(client: FilesClient, *words: str) -> asyncio.subprocess.Process:
    settings = {
        "DATABASE_URL": client.settings.database_url,
        **{name.upper(): str(value) for name, value in client.settings.model_dump().items() if name.startswith("s3_")},
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
async def test_import_survives_a_kill_and_export_returns_the_same_bytes(
    nanio_client: FilesClient, tmp_path: Path, count: int
) -> None:
    contents = write_folder(tmp_path / "in", count)
    mapped = next(iter(contents))
    (tmp_path / "map.csv").write_text(f"path,entity_type,entity_id\nuploads/documents/{mapped},deal,7\n")
    migrate = ["migrate-files", "--from", str(tmp_path / "in"), "--map", str(tmp_path / "map.csv")]
    migrate += ["--tenant", str(TENANT), "--user", str(ANNA.user_id)]

    code, output = await ended(await operate(nanio_client, *migrate, "--dry-run"))
    assert (code, f"{count} would be added" in output) == (0, True), output
    killed = await operate(nanio_client, *migrate, "--workers", "1")
    await until(lambda: has_rows(nanio_client, count // 10), within=60)
    killed.send_signal(signal.SIGKILL)
    await ended(killed)
    code, output = await ended(await operate(nanio_client, *migrate))
    assert code == 0, output
    code, output = await ended(await operate(nanio_client, *migrate, "--verify"))
    assert (code, f"{count} were there already" in output) == (0, True), output

    rows = await nanio_client.rows()
    assert len(rows) == count
    assert {row["state"] for row in rows} == {"stored"}
    assert [(row["entity_type"], row["entity_id"]) for row in rows if row["source_path"] == mapped] == [("deal", "7")]
    code, output = await ended(
        await operate(nanio_client, "export-files", "--to", str(tmp_path / "out"), "--tenant", str(TENANT))
    )
    assert code == 0, output
    found = {
        file.relative_to(tmp_path / "out").as_posix(): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file() and file.name != "map.csv"
    }
    assert found == contents


async def migrate(client: FilesClient, folder: Path, *more: str) -> tuple[int | None, str]:
    words = ["--from", str(folder), "--tenant", str(TENANT), "--user", str(ANNA.user_id), *more]
    return await ended(await operate(client, "migrate-files", *words))


async def test_a_second_import_reports_changed_and_keeps_deleted_files(
    nanio_client: FilesClient, tmp_path: Path
) -> None:
    contents = write_folder(tmp_path / "in", 6)
    changed, deleted, lost, *_ = contents
    assert (await migrate(nanio_client, tmp_path / "in"))[0] == 0
    (tmp_path / "in" / changed).write_bytes(b"changed")
    (tmp_path / "in" / "Offer of 1. May 2024, final").write_bytes(b"?")
    (tmp_path / "in" / "unreadable.txt").symlink_to("nowhere")
    (tmp_path / "in" / ("x" * 250 + ".txt")).write_bytes(b"long")
    document = next(row for row in await nanio_client.rows() if row["source_path"] == deleted)
    assert (await nanio_client.call(ANNA, "DELETE", f"/files/{document['id']}")).status == 204
    await erased(nanio_client)

    await nanio_client.bucket.delete(
        next(row["key"] for row in await nanio_client.rows() if row["source_path"] == lost)
    )

    code, output = await migrate(nanio_client, tmp_path / "in", "--verify")

    assert code == 1
    for words in ("1 changed", "1 broken", "1 were deleted since", "2 added", "3 were there already"):
        assert words in output, output
    assert {row["name"] for row in await nanio_client.rows()} >= {"Offer of 1. May 2024, final", "x" * 250 + ".txt"}
    assert len(await nanio_client.rows()) == 7


MOJIBAKE = "å\xa0±å\x91\x8aæ\x9b¸.docx"  # 報告書.docx: its UTF-8, read as Latin-1


async def test_names_that_the_legacy_platform_misread_are_repaired(nanio_client: FilesClient, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("RÃ©sumÃ©.pdf", MOJIBAKE, "Müller.txt", "Straße Ã.txt", "報告.txt"):
        (folder / f"{uuid4()}-{name}").write_bytes(b"x")

    assert (await migrate(nanio_client, folder))[0] == 0

    names = {row["name"] for row in await nanio_client.rows()}
    assert names == {"Résumé.pdf", "報告書.docx", "Müller.txt", "Straße Ã.txt", "報告.txt"}


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
async def test_a_name_that_is_not_utf8_is_named_and_the_rest_is_imported(
    nanio_client: FilesClient, tmp_path: Path, dry_run: list[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.txt").write_bytes(b"good")
    (folder / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"bad name")

    code, output = await migrate(nanio_client, folder, *dry_run)

    assert code == 1
    assert "broken: caf\\xe9.txt: has a name that is not UTF-8" in output
    assert f"1 {'would be added' if dry_run else 'added'}" in output
    assert [row["name"] for row in await nanio_client.rows()] == ([] if dry_run else ["good.txt"])


async def test_a_map_that_cannot_be_read_is_named(nanio_client: FilesClient, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "map.csv").write_bytes("Müller.txt,deal,7\n".encode("cp1252"))

    code, output = await migrate(nanio_client, folder, "--map", str(tmp_path / "map.csv"))

    assert code == 2
    assert "not UTF-8" in output
    assert "Traceback" not in output


async def erased(client: FilesClient) -> None:
    """Handle the published deletions."""
    async with client.database.connection() as conn:
        for row in await conn.fetch("select body from outbox where type = 'file.deleted'"):
            await erase_bytes([Envelope.decode(row["body"])], client.deps)


async def test_export_reports_lost_and_damaged_files_and_writes_the_rest(
    nanio_client: FilesClient, tmp_path: Path
) -> None:
    lost = (await nanio_client.upload(b"lost", "lost.txt")).body
    damaged = (await nanio_client.upload(b"damaged", "damaged.txt")).body
    kept = (await nanio_client.upload(b"kept", "Überweisung " + "ü" * 400 + ".pdf")).body
    await nanio_client.bucket.delete(lost["key"])
    await nanio_client.bucket.put(damaged["key"], b"DAMAGED", 7, content_type="text/plain", disposition="inline")

    export = await operate(nanio_client, "export-files", "--to", str(tmp_path / "out"), "--tenant", str(TENANT))
    code, output = await ended(export)

    assert code == 1
    assert "1 documents" in output
    assert "2 lost" in output
    (found,) = [file for file in (tmp_path / "out").iterdir() if file.name != "map.csv"]
    assert found.read_bytes() == b"kept"
    assert found.name.startswith(f"{kept['id']}-Überweisung ü")
    assert found.suffix == ".pdf"


async def has_rows(client: FilesClient, count: int) -> bool:
    return len(await client.rows()) >= count
