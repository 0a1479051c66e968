"""Fixtures: instances of auth, gateways and fake services in one process."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from api_gateway.app import open_app as open_gateway
from api_gateway.settings import Settings as GatewaySettings
from auth.app import open_app as open_auth
from auth.settings import Settings as AuthSettings
from switchboard.http.identity_keys import new_key, public_set
from switchboard.process.main import App
from switchboard.runtime.health import Health
from switchboard.testing.serving import served

UNREACHABLE = "http://127.0.0.1:1"
PASSWORD = "correct horse"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Stack:
    """Starts services on free ports, and stops them when the test ends."""

    def __init__(self, keys: Path, database_url: Callable[[str], str], amqp_url: str, redis_url: str) -> None:
        self._parts = AsyncExitStack()
        self._keys = keys
        self._create_database = database_url
        self.database_url = ""
        self.amqp_url = amqp_url
        self.redis_url = redis_url
        self.health: dict[str, Health] = {}
        """Of each gateway, by its URL."""
        self.client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)

    async def auth(self, **settings: Any) -> str:
        """Start an instance of auth. Returns its URL. All instances of a test share a database."""
        self.database_url = self.database_url or self._create_database("auth")
        chosen = AuthSettings(
            port=0,
            app_instance_id="auth",
            database_url=self.database_url,
            amqp_url=self.amqp_url,
            redis_url=settings.pop("redis_url", self.redis_url),
            identity_key_file=self._keys / "public.json",
            **settings,
        )
        return await self._parts.enter_async_context(served(open_auth(chosen)))

    async def gateway(self, *auth: str, **settings: Any) -> str:
        """Start a gateway with these instances of auth. Returns its URL. Other services: `conversations_urls=…` etc."""
        urls = {f"{name}_urls": (UNREACHABLE,) for name in ("files", "conversations", "scheduler", "realtime")}
        chosen = GatewaySettings(
            port=0,
            app_instance_id="gateway",
            redis_url=settings.pop("redis_url", self.redis_url),
            identity_key_file=self._keys / "private.json",
            auth_urls=auth or (UNREACHABLE,),
            **{**urls, **settings},
        )
        opened: list[App] = []
        url = await self._parts.enter_async_context(served(_recording(open_gateway(chosen), opened)))
        self.health[url] = opened[0].health
        return url

    async def service(
        self, handler: Handler, *, ready: Handler | None = None, checks: dict[str, str] | None = None
    ) -> str:
        """Start a service that answers every path by `handler`. Returns its URL.

        It is always ready by default. `checks`: those of its `/health`.
        """
        return await self._parts.enter_async_context(served(_opened(plain_app(handler, ready, checks))))

    async def sign_up(self, gateway: str, email: str = "ann@example.com", password: str = PASSWORD) -> dict[str, Any]:
        body = {"tenant_name": "Acme", "name": "Ann", "email": email, "password": password}
        async with self.client.post(f"{gateway}/api/v1/auth/signup", json=body) as answer:
            assert answer.status == 201, await answer.text()
            signed_up: dict[str, Any] = await answer.json()
        return signed_up

    async def log_in(self, gateway: str, email: str = "ann@example.com", password: str = PASSWORD) -> str:
        body = {"email": email, "password": password}
        async with self.client.post(f"{gateway}/api/v1/auth/login", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["session"]["token"])

    async def status(self, method: str, url: str, token: str | None = None, **options: Any) -> int:
        headers = {**options.pop("headers", {}), **(bearer(token) if token else {})}
        async with self.client.request(method, url, headers=headers, **options) as answer:
            await answer.read()
            return answer.status

    async def close(self) -> None:
        await self.client.close()
        await self._parts.aclose()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def plain_app(handler: Handler, ready: Handler | None = None, checks: dict[str, str] | None = None) -> web.Application:
    async def ok(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok", "checks": checks or {}})

    app = web.Application(client_max_size=2**30, handler_args={"auto_decompress": False})
    app.router.add_get("/readyz", ready or ok)
    app.router.add_get("/health", ok)
    app.router.add_route("*", "/{path:.*}", handler)
    return app


@asynccontextmanager
async def _recording(opening: AbstractAsyncContextManager[App], opened: list[App]) -> AsyncIterator[App]:
    async with opening as app:
        opened.append(app)
        yield app


@asynccontextmanager
async def _opened(app: web.Application) -> AsyncIterator[App]:
    yield App(http=app, health=Health("test"))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    key = new_key("test")
    (tmp_path / "private.json").write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    (tmp_path / "public.json").write_text(json.dumps(public_set([key])))
    return tmp_path


@pytest.fixture
async def stack(
    keys: Path, database_url: Callable[[str], str], product_amqp_url: str, redis_url: str
) -> AsyncIterator[Stack]:
    stack = Stack(keys, database_url, product_amqp_url, redis_url)
    yield stack
    await stack.close()


@pytest.fixture
def dead_redis_url() -> str:
    return "redis://127.0.0.1:1/0"
