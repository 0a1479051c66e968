"""A service that does nothing but live and die as its settings say. Run as a program by the tests of `life`."""

from __future__ import annotations

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
    """`directory` is where the tests and the service leave signs for each other."""

    directory: Path
    behaviour: str = ""


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    def sign(name: str) -> Path:
        return settings.directory / name

    if settings.behaviour == "waits" and not sign("server").exists():
        raise Unavailable(f"the server {sign('reason').read_text()} is away")
    if settings.behaviour == "hangs":
        await asyncio.Event().wait()
    if settings.behaviour == "cannot open":
        raise ValueError("nonsense in a file")

    async def work(stop: Stop) -> None:
        while not await stop.sleep(0.01):
            if settings.behaviour == "crashes" and sign("crash").exists():
                raise RuntimeError("a bug in a loop")
            if settings.behaviour == "ends early" and sign("crash").exists():
                return
        if settings.behaviour == "stubborn":
            await asyncio.Event().wait()
        sign("worked to the end").touch()

    async def slowly(_call: Request) -> None:
        sign("request began").touch()
        while not sign("answer").exists():
            await asyncio.sleep(0.01)

    health = Health(settings.app_instance_id)
    http = http_app("demo", [PlainRoute("GET", "/slowly", slowly, public=True)], HttpContext(health))
    yield App(http=http, health=health, loops=[work])
    sign("closed").touch()


if __name__ == "__main__":
    main("demo", Settings, open_app)
