"""Processes of conversations and a fake Twilio, which tests can kill."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from switchboard.testing import until
from switchboard.testing.network import free_port

FAKE = Path(__file__).with_name("fake_twilio.py")
CRASHING = Path(__file__).with_name("crashing_instance.py")


@dataclass
class Instance:
    """A process that a test can stop and start again."""

    command: list[str]
    environment: dict[str, str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._start(self.command)

    def start_crashing(self, point: str) -> None:
        """Start conversations with a crash at a point: see `crashing_instance`."""
        self._start([sys.executable, str(CRASHING), point])

    def _start(self, command: list[str]) -> None:
        with self.log.open("ab") as output:
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def is_gone(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


@dataclass
class Stack:
    """Two instances of conversations. Webhooks reach the first."""

    instances: list[Instance]
    twilio: Instance
    client: aiohttp.ClientSession
    ended: list[Instance] = field(default_factory=list)

    async def behave(self, **behaviour: float) -> None:
        async with self.client.post(f"http://127.0.0.1:{self.twilio.port}/control", json=behaviour) as answer:
            assert answer.status == 200

    async def seen(self) -> dict[str, Any]:
        async with self.client.get(f"http://127.0.0.1:{self.twilio.port}/seen") as answer:
            return dict(await answer.json())

    async def accepted(self) -> int:
        """How many messages the provider accepted."""
        return int(sum((await self.seen())["accepted"].values()))

    async def is_ready(self, instance: Instance) -> bool:
        try:
            async with self.client.get(f"http://127.0.0.1:{instance.port}/readyz") as answer:
                return answer.status in (200, 503)
        except aiohttp.ClientError:
            assert not instance.is_gone(), instance.log.read_text()[-2000:]
            return False


@asynccontextmanager
async def open_stack(
    database_url: str, amqp_url: str, redis_url: str, logs: Path, *, provider: str = "twilio", **settings: str
) -> AsyncIterator[Stack]:
    """Start the fake Twilio and two instances of conversations. They end with the block."""
    ports = [free_port() for _ in range(3)]
    shared = {
        "DATABASE_URL": database_url,
        "AMQP_URL": amqp_url,
        "REDIS_URL": redis_url,
        "AUTH_URLS": "http://127.0.0.1:9",
        "FILES_URLS": "http://127.0.0.1:9",
        "PUBLIC_URL": f"http://127.0.0.1:{ports[0]}",
        "MESSAGING_PROVIDER": provider,
        "TWILIO_ACCOUNT_SID": "AC1",
        "TWILIO_AUTH_TOKEN": "token",
        "TWILIO_FROM": "+15005550006",
        "TWILIO_BASE_URL": f"http://127.0.0.1:{ports[2]}",
        "DRAIN_NOTICE": "0s",
        "LOG_LEVEL": "warning",
        **settings,
    }
    instances = [
        Instance(
            [sys.executable, "-m", "conversations"],
            {**shared, "PORT": str(port), "APP_INSTANCE_ID": f"conversations-{n}"},
            port,
            logs / f"conversations-{n}.log",
        )
        for n, port in enumerate(ports[:2], start=1)
    ]
    twilio = Instance([sys.executable, str(FAKE), str(ports[2])], {}, ports[2], logs / "twilio.log")
    async with aiohttp.ClientSession() as client:
        stack = Stack(instances, twilio, client)
        try:
            for one in (twilio, *instances):
                one.start()
            await until(lambda: _answers(stack), within=30)
            yield stack
        finally:
            for one in (*instances, twilio):
                await asyncio.to_thread(one.end)


async def _answers(stack: Stack) -> bool:
    try:
        await stack.seen()
    except aiohttp.ClientError:
        return False
    return all([await stack.is_ready(instance) for instance in stack.instances])
