"""A service that behaves as its environment says, run as a process by the tests of `ServiceRunner`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from switchboard.http import HttpContext, PlainRoute, Request, http_app
from switchboard.process.main import App, main
from switchboard.runtime.background import Stop
from switchboard.runtime.health import Health
from switchboard.runtime.settings import ServiceSettings
from switchboard.runtime.unavailable import Unavailable


class Settings(ServiceSettings):
    """`directory`: tests and service communicate by marker files in it."""

    directory: Path
    behaviour: str = ""


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    def marker(name: str) -> Path:
        return settings.directory / name

    if settings.behaviour == "waits" and not marker("server").exists():
        raise Unavailable(f"the server {marker('reason').read_text()} is unavailable")
    if settings.behaviour == "hangs":
        await asyncio.Event().wait()
    if settings.behaviour == "cannot open":
        raise ValueError("malformed file")

    async def work(stop: Stop) -> None:
        while not await stop.sleep(0.01):
            if settings.behaviour == "crashes" and marker("crash").exists():
                raise RuntimeError("a bug in a loop")
            if settings.behaviour == "ends early" and marker("crash").exists():
                return
        if settings.behaviour == "stubborn":
            await asyncio.Event().wait()
        marker("finished its work").touch()

    async def slowly(_request: Request) -> None:
        marker("request began").touch()
        while not marker("answer").exists():
            await asyncio.sleep(0.01)

    health = Health(settings.app_instance_id)
    http = http_app("demo", [PlainRoute("GET", "/slowly", slowly, public=True)], HttpContext(health))
    yield App(http=http, health=health, loops=[work])
    marker("closed").touch()


if __name__ == "__main__":
    main("demo", Settings, open_app)
