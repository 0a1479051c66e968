"""Bulk imports and exports: in constant memory, and continued after a crash."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from switchboard.testing import until
from switchboard.testing.app import identity_headers

from .client import ANNA, BEN, TENANT, ConversationsClient, open_client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

MIB = 1024 * 1024
FILES = 10_000


@pytest.fixture
def url(database_url: Callable[[str], str]) -> str:
    return database_url("conversations")


async def test_100000_contacts_are_uploaded_and_downloaded_in_constant_memory(url: str) -> None:
    async with open_client(url) as client:
        await _upload(client, 2_000)
        few = await _peak(_upload(client, 5_000)) + await _peak(_download(client))
        many = await _peak(_upload(client, 100_000)) + await _peak(_download(client))

        print(
            f"peak of upload and download together: {few / MIB:.1f} MiB, of twenty times as many {many / MIB:.1f} MiB"
        )
        assert many < few + 4 * MIB
        assert await client.fetch("select count(*) as n from contacts") == [{"n": 99_000}]


def test_100000_contacts_are_imported_by_command_in_constant_memory(url: str, tmp_path: Path) -> None:
    resident = {}
    for n in (1_000, 100_000):
        file = tmp_path / f"{n}.csv"
        file.write_text("phone,name,tags\n" + "".join(map(_line, range(n))))
        resident[n], output = _measured(url, "contacts", "import", str(file), "--tenant", str(TENANT))
        assert output.count("is not a phone number") == n // 100

    print(f"resident: {resident[1_000]:.0f} MiB for a thousand, {resident[100_000]:.0f} MiB for a hundred thousand")
    assert resident[100_000] < resident[1_000] + 16


async def test_a_killed_migration_of_10000_files_continues(url: str, tmp_path: Path) -> None:
    old = tmp_path / "old"
    for n in range(FILES):
        path = old / f"cuid-{n % 2}" / f"1415{2_000_000 + n}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'[{{"role":"user","content":"hi {n}","timestamp":{1709283600 + n}}},{{"role":"ai","text":"ok"}}]'
        )
    (tmp_path / "users.csv").write_text(f"cuid-0,{ANNA.user_id}\ncuid-1,{BEN.user_id}\n")
    words = ["migrate-conversations", "--from", str(old), "--tenant", str(TENANT)]
    words += ["--user-map", str(tmp_path / "users.csv")]

    async with open_client(url) as client:
        await client.given_users()
        reached = 0
        for _ in range(4):
            running = _start(url, *words)
            reached += random.randint(200, 1500)
            await until(partial(_arrived, client, reached), within=90)
            assert running.poll() is None
            running.send_signal(signal.SIGKILL)
            await asyncio.to_thread(running.communicate)
            reached = await _count(client)
            assert reached % 2 == 0  # whole conversations
        assert reached < 2 * FILES
        await client.say(ANNA, "+14152000000", "written since")

        finished = _start(url, *words, "--verify")
        output, _ = await asyncio.to_thread(finished.communicate)

        assert finished.returncode == 0, output[-2000:]
        assert f"{2 * FILES} equal, 0 cleared since, 0 wrong" in output
        assert await _count(client) == 2 * FILES + 1
        assert [text for _, text in await client.texts(ANNA, "+14152000000")][-1] == "written since"
        gaps = await client.fetch(
            "select from conversations c where last_seq <> (select count(*) from messages where conversation_id = c.id)"
        )
        assert gaps == []

    exported = _start(url, "export-conversations", "--to", str(tmp_path / "new"), "--tenant", str(TENANT))
    await asyncio.to_thread(exported.communicate)
    same = [
        path.read_bytes() == (tmp_path / "new" / path.relative_to(old)).read_bytes() for path in old.rglob("*.json")
    ]
    assert (len(same), same.count(False)) == (FILES, 1)  # the one with a newer message


def _line(n: int) -> str:
    phone = "nonsense" if n % 100 == 99 else f"+{14152000000 + n}"
    return f"{phone},Contact {n},a;b\n"


async def _upload(client: ConversationsClient, rows: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"phone,name,tags\n"
        for n in range(0, rows, 500):
            yield "".join(map(_line, range(n, n + 500))).encode()

    headers = {**identity_headers(BEN, "conversations"), "Content-Type": "text/csv"}
    async with client.http.post("/api/v1/contacts/import", data=body(), headers=headers) as answer:
        assert answer.status == 200
        rejected = 0
        async for chunk in answer.content.iter_chunked(4096):
            rejected += chunk.count(b'"line"')
        assert abs(rejected - rows // 100) < 20  # some span two chunks


async def _download(client: ConversationsClient) -> None:
    headers = {**identity_headers(BEN, "conversations"), "Accept": "text/csv"}
    async with client.http.get("/api/v1/contacts", headers=headers) as answer:
        assert answer.status == 200
        async for _ in answer.content.iter_chunked(4096):
            pass


async def _peak(work: object) -> int:
    """The peak of memory that Python held, in bytes."""
    tracemalloc.start()
    try:
        await work  # type: ignore[misc]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _start(url: str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "switchboard.cli.operator", *words]
    environment = {**os.environ, "DATABASE_URL": url, "COLUMNS": "200"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _measured(url: str, *words: str) -> tuple[float, str]:
    """The peak memory of a command in MiB, and its output."""
    running = _start(url, *words)
    assert running.stdout is not None
    output = running.stdout.read()
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0, output[-2000:]
    return usage.ru_maxrss / 1024, output


async def _count(client: ConversationsClient) -> int:
    (row,) = await client.fetch("select count(*) as n from messages")
    return int(row["n"])


async def _arrived(client: ConversationsClient, n: int) -> bool:
    return await _count(client) >= n
