"""Start and graceful shutdown of a real process, with real signals."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from switchboard.testing.waiting import until

PROGRAM = Path(__file__).with_name("demo_service.py")


class Process:
    """The demo service, with its log lines and a client."""

    def __init__(self, directory: Path, client: aiohttp.ClientSession, **settings: str) -> None:
        self.directory = directory
        self.port = 0
        self._client = client
        self._settings = {"PORT": "0", "DRAIN_NOTICE": "100ms", "DIRECTORY": str(directory), **settings}
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        environment = {"PATH": os.environ["PATH"], **self._settings}
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, str(PROGRAM), env=environment, stderr=log
            )

    async def listening(self) -> None:
        self.port = (await until(lambda: self.lines("listening"), 30))[0]["port"]

    async def ready(self) -> None:
        await self.listening()
        await until(lambda: self.lines("ready"), 30)

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exit_code(self) -> int:
        async with asyncio.timeout(20):
            return await self._process.wait()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._client.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.status, await answer.json(content_type=None)

    def marker(self, name: str) -> Path:
        return self.directory / name

    def stderr(self) -> str:
        return self._log.read_text()

    def lines(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stderr().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    @property
    def _log(self) -> Path:
        return self.directory / "stderr"


Launch = Callable[..., Awaitable[Process]]


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession())

        async def launch(**settings: str) -> Process:
            process = Process(tmp_path, client, **settings)
            await process.start()
            stack.push_async_callback(process.kill)
            return process

        yield launch


async def test_sigterm_fails_readiness_first_then_drains_and_exits_0(launch: Launch) -> None:
    process = await launch(DRAIN_NOTICE="2s")
    await process.ready()
    assert (await process.get("/readyz"))[0] == 200
    request = asyncio.create_task(process.get("/slowly"))
    await until(process.marker("request began").exists)

    process.send_signal(signal.SIGTERM)

    await until(lambda: process.lines("draining"))
    assert await process.get("/readyz") == (503, {"status": "draining", "instance": socket.gethostname(), "checks": {}})
    assert (await process.get("/livez"))[0] == 200
    process.marker("answer").touch()
    assert (await request)[0] == 204
    assert await process.exit_code() == 0
    assert process.marker("finished its work").exists()
    assert process.marker("closed").exists()


async def test_a_request_in_progress_finishes_after_the_port_is_closed(launch: Launch) -> None:
    process = await launch()
    await process.ready()
    request = asyncio.create_task(process.get("/slowly"))
    await until(process.marker("request began").exists)

    process.send_signal(signal.SIGTERM)
    await until(process.marker("finished its work").exists)
    await until(lambda: _refuses(process.port))
    process.marker("answer").touch()

    assert (await request)[0] == 204
    assert await process.exit_code() == 0


async def test_work_is_cancelled_at_the_drain_deadline(launch: Launch) -> None:
    process = await launch(BEHAVIOUR="stubborn", DRAIN_SECONDS="0.2")
    await process.ready()

    process.send_signal(signal.SIGTERM)

    assert await process.exit_code() == 0
    assert process.lines("drain_deadline")
    assert process.marker("closed").exists()


async def test_a_second_sigterm_cancels_at_once(launch: Launch) -> None:
    process = await launch(BEHAVIOUR="stubborn")
    await process.ready()
    process.send_signal(signal.SIGTERM)
    await until(lambda: process.lines("draining"))

    process.send_signal(signal.SIGTERM)

    assert await process.exit_code() == 0
    assert process.lines("cut_short")
    assert process.marker("closed").exists()


async def test_a_process_is_alive_but_not_ready_while_a_server_is_unavailable(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "reason").write_text("rabbit")
    process = await launch(BEHAVIOUR="waits")
    await process.listening()
    await until(lambda: process.lines("waiting"))

    alive, _ = await process.get("/livez")
    ready, readiness = await process.get("/readyz")
    refused, problem = await process.get("/api/v1/anything")
    assert (alive, ready, refused) == (200, 503, 503)
    assert readiness["checks"] == {"start": "error: the server rabbit is unavailable"}
    assert problem["code"] == "starting"

    (tmp_path / "reason").write_text("postgres")
    await until(lambda: len(process.lines("waiting")) == 2)
    (tmp_path / "server").touch()
    await process.ready()
    assert (await process.get("/readyz"))[0] == 200
    assert [line["reason"] for line in process.lines("waiting")] == [
        "the server rabbit is unavailable",
        "the server postgres is unavailable",
    ]


async def test_the_handover_of_the_port_to_the_application_drops_no_request(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "reason").write_text("rabbit")
    process = await launch(BEHAVIOUR="waits")
    await process.listening()
    statuses: set[int] = set()

    async def ask_until_ready() -> None:
        while not process.lines("ready"):
            for _ in range(20):
                statuses.add((await process.get("/livez"))[0])

    asking = asyncio.gather(*(ask_until_ready() for _ in range(4)))
    await until(lambda: statuses)
    (tmp_path / "server").touch()

    await asking
    assert statuses == {200}


async def test_sigterm_during_the_start_ends_the_process(launch: Launch) -> None:
    process = await launch(BEHAVIOUR="hangs")
    await process.listening()

    process.send_signal(signal.SIGTERM)

    assert await process.exit_code() == 0


@pytest.mark.parametrize(("behaviour", "error"), [("crashes", "a bug in a loop"), ("ends early", "LoopEndedEarly")])
async def test_a_loop_that_crashes_or_ends_early_ends_the_process(launch: Launch, behaviour: str, error: str) -> None:
    process = await launch(BEHAVIOUR=behaviour)
    await process.ready()

    process.marker("crash").touch()

    assert await process.exit_code() == 1
    [line] = process.lines("crashed")
    assert error in line["exception"]
    assert process.marker("closed").exists()


async def test_an_unexpected_error_during_the_start_ends_the_process(launch: Launch) -> None:
    process = await launch(BEHAVIOUR="cannot open")

    assert await process.exit_code() == 1
    assert "malformed file" in process.lines("crashed")[0]["exception"]


async def test_a_missing_and_a_malformed_setting_are_named_in_one_line(launch: Launch) -> None:
    process = await launch(PORT="eighty", DIRECTORY="")

    assert await process.exit_code() == 2
    assert process.stderr() == (
        "cannot start: PORT should be a valid integer, unable to parse string as an integer; DIRECTORY is missing\n"
    )


async def test_a_port_in_use_is_named_in_one_line(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        process = await launch(PORT=str(port))

        assert await process.exit_code() == 1
    assert process.stderr() == f"cannot start: port {port} on 127.0.0.1 is in use (PORT)\n"


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False
