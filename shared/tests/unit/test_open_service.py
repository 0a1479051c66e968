"""`open_service` opens the connections that a settings class names, and closes them in reverse order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from switchboard.http import PlainRoute, Request
from switchboard.http.identity_keys import FixedKeys, new_key
from switchboard.process.service import open_service
from switchboard.runtime.background import Stop
from switchboard.runtime.settings import BusSettings, ServiceSettings

SETTINGS = ServiceSettings(port=0, app_instance_id="demo-1")


async def test_resources_are_closed_in_reverse_order() -> None:
    closed: list[str] = []

    @asynccontextmanager
    async def resource(name: str) -> AsyncIterator[str]:
        yield name
        closed.append(name)

    async with open_service("demo", SETTINGS) as service:
        assert await service.enter(resource("first")) == "first"
        await service.enter(resource("second"))

    assert closed == ["second", "first"]


@pytest.mark.parametrize("connection", ["database", "bus", "redis", "verifier"])
async def test_a_connection_without_settings_is_named(connection: str) -> None:
    async with open_service("demo", SETTINGS) as service:
        with pytest.raises(LookupError, match="the settings of demo have no "):
            getattr(service, connection)


async def test_an_application_has_its_routes_workers_and_checks() -> None:
    async def show(_request: Request) -> None: ...

    async def work(stop: Stop) -> None:
        await stop.wait()

    settings = BusSettings(port=0, amqp_url="amqp://127.0.0.1:9/demo")
    async with open_service("demo", settings, keys=FixedKeys([new_key("k1")])) as service:
        app = service.app(routes=[PlainRoute("GET", "/things", show)], workers=[work])

        paths = {resource.canonical for resource in app.http.router.resources()}
        assert {"/things", "/livez", "/readyz", "/health", "/metrics"} <= paths
        assert app.loops == [work]
        assert set(service.health._checks) == {"rabbitmq"}
