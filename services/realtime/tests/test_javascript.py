"""The official JavaScript client, under Node."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from switchboard.contracts.auth import SessionRevoked
from switchboard.testing import becomes, until
from switchboard.testing.servers import run_directory

from .world import ANNA, World, headers_of, read_by

NODE = Path(__file__).parents[3] / "bench" / "node"


@pytest.fixture(scope="session")
def _packages() -> None:
    """The client, from the registry that npm is set up for."""
    if shutil.which("npm") is None:
        pytest.skip("there is no Node")
    run_directory().mkdir(parents=True, exist_ok=True)
    with (run_directory() / "npm.lock").open("w") as lock:  # one worker of a run installs, others wait for it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (NODE / "node_modules" / ".package-lock.json").exists():  # written last
            done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE, capture_output=True, check=False)
            if done.returncode:
                pytest.skip(f"npm ci: {done.stderr.decode()[-300:]}")


class Listener:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[dict[str, Any]] = []

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.append(json.loads(line))

    async def move_to(self, url: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{url}\n".encode())
        await self._process.stdin.drain()

    def of(self, what: str) -> list[dict[str, Any]]:
        return [said for said in self.said if said["what"] == what]

    @property
    def seqs(self) -> list[int]:
        return [said["seq"] for said in self.of("event")]


@asynccontextmanager
async def javascript(url: str, headers: dict[str, str], transports: str) -> AsyncIterator[Listener]:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(NODE / "listen.js"),
        url,
        json.dumps(headers),
        transports,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    listener = Listener(process)
    listening = asyncio.create_task(listener.listen())
    try:
        yield listener
    finally:
        process.kill()
        await process.wait()
        await listening


@pytest.mark.usefixtures("_packages")
@pytest.mark.parametrize("transports", ["websocket", "polling", "polling,websocket"])
async def test_the_official_client_hears_moves_resumes_and_stays_away_once_revoked(
    world: World, transports: str
) -> None:
    await world.start()
    async with javascript(world.instances[0].url, headers_of(ANNA), transports) as client:
        await until(lambda: client.of("ready"), within=20)
        await world.append(*(read_by(ANNA, seq) for seq in range(20)))
        await becomes(lambda: client.seqs, list(range(20)))

        await client.move_to(world.instances[1].url)
        await world.append(*(read_by(ANNA, seq) for seq in range(20, 40)))
        await becomes(lambda: client.seqs, list(range(40)), within=20)
        assert [said["ready"]["resumed"] for said in client.of("ready")] == [False, True]

        await world.append(SessionRevoked(session_ids=(ANNA.session_id,), user_id=ANNA.user_id, reason="logout"))
        await until(lambda: client.of("disconnect")[-1:] == [{"what": "disconnect", "reason": "io server disconnect"}])


@pytest.mark.usefixtures("_packages")
async def test_the_official_client_comes_back_by_itself_when_an_instance_ends(world: World) -> None:
    async with javascript(world.instances[0].url, headers_of(ANNA), "websocket") as client:
        await until(lambda: client.of("ready"), within=20)

        await world.instances[0].end()

        await until(lambda: client.of("disconnect"))
        assert client.of("disconnect")[0]["reason"] in ("transport close", "transport error")
        await until(lambda: client.of("refused"))
