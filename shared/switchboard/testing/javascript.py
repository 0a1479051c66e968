"""Run the official Socket.IO client for JavaScript under Node: it prints the events that it receives."""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest

from switchboard.local.stack_directory import REPOSITORY
from switchboard.testing.servers import run_directory

NODE = REPOSITORY / "bench" / "node"
INSTALLED = NODE / "node_modules" / ".package-lock.json"  # written last


class Listener:
    """The client's output so far: `{"what": "ready", "upgrade", "event", "closing", "refused", "disconnect", ...}`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[dict[str, Any]] = []

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.append(json.loads(line))

    async def move_to(self, url: str) -> None:
        """Cut the connection and reconnect there from the last event received."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{url}\n".encode())
        await self._process.stdin.drain()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [said for said in self.said if said["what"] == kind]

    def seqs(self, type: str) -> list[int]:
        """Return the `seq` of each event of that type, in order of arrival."""
        return [said["seq"] for said in self.of("event") if said["type"] == type]


class JavaScript(Protocol):
    """The signature of `listening`."""

    def __call__(
        self, url: str, headers: dict[str, str], transports: str, token: str = ""
    ) -> AbstractAsyncContextManager[Listener]: ...


@asynccontextmanager
async def listening(url: str, headers: dict[str, str], transports: str, token: str = "") -> AsyncIterator[Listener]:
    """Run a client that connects to `url`. `transports`: comma-separated; `token`: sent in Socket.IO's `auth`."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(NODE / "listen.js"),
        url,
        json.dumps(headers),
        transports,
        token,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    listener = Listener(process)
    hearing = asyncio.create_task(listener.listen())
    try:
        yield listener
    finally:
        process.kill()
        await process.wait()
        await hearing


class NoPackages(Exception):
    """Node or its packages are not available."""


def install() -> None:
    """Install the packages for a test; if that is impossible, skip the test, or fail it under CI."""
    try:
        install_packages()
    except NoPackages as reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(reason))


def install_packages() -> None:
    """Install the packages from the registry that npm is configured for. Raises `NoPackages`."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NoPackages("there is no Node: infra/setup.sh --for-tests installs it")
    run_directory().mkdir(parents=True, exist_ok=True)
    with (run_directory() / "npm.lock").open("w") as lock:  # one worker of a run installs, others wait for it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not INSTALLED.exists():
            done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE, capture_output=True, check=False)
            if done.returncode:
                raise NoPackages(f"npm ci: {done.stderr.decode()[-300:]}")
