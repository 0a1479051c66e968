"""Instances of auth with gateways in front of them, all in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from api_gateway.app import open_app as open_gateway
from api_gateway.settings import Settings as GatewaySettings
from auth.app import open_app as open_auth
from auth.settings import Settings as AuthSettings
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import open_database
from switchboard.testing.serving import served

NOWHERE = "http://127.0.0.1:1"
API = "/api/v1"
EMAIL = "ann@example.com"
PASSWORD = "correct horse"


class Deployment:
    """Starts instances on free ports and stops them with the test. All instances of auth share one database."""

    def __init__(self, keys: Path, database_url: str, amqp_url: str, redis_url: str) -> None:
        self.redis_url = redis_url
        self.client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._instances = AsyncExitStack()
        self._keys = keys
        self._database_url = database_url
        self._amqp_url = amqp_url

    async def auth(self, **settings: Any) -> str:
        """An instance of auth; its URL."""
        chosen = AuthSettings(
            port=0,
            app_instance_id="auth",
            database_url=self._database_url,
            amqp_url=self._amqp_url,
            redis_url=settings.pop("redis_url", self.redis_url),
            identity_key_file=self._keys / "public.json",
            **settings,
        )
        return await self._instances.enter_async_context(served(open_auth(chosen)))

    async def gateway(self, *auth: str, **settings: Any) -> str:
        """A gateway in front of these instances of auth, and of no other service; its URL."""
        others: dict[str, Any] = {
            f"{name}_urls": (NOWHERE,) for name in ("files", "conversations", "scheduler", "realtime")
        }
        chosen = GatewaySettings(
            port=0,
            app_instance_id="gateway",
            redis_url=self.redis_url,
            identity_key_file=self._keys / "private.json",
            auth_urls=auth,
            **others,
            **settings,
        )
        return await self._instances.enter_async_context(served(open_gateway(chosen)))

    @asynccontextmanager
    async def work_of_operator(self, tenant_id: str) -> AsyncIterator[Work]:
        """A unit of work on auth's database, as an operator's command has it."""
        async with (
            open_database(self._database_url, application="auth") as database,
            open_work(database, tenant_id=UUID(tenant_id)) as work,
        ):
            yield work

    async def gateways(self) -> tuple[str, str]:
        """Two gateways in front of two instances of auth."""
        auth = await self.auth(), await self.auth()
        return await self.gateway(*auth), await self.gateway(*auth)

    async def sign_up(self, gateway: str, email: str = EMAIL) -> dict[str, Any]:
        """Sign up the owner of a new tenant; the answer."""
        body = {"tenant_name": "Acme", "name": "Ann", "email": email, "password": PASSWORD}
        status, signed_up = await self.request("POST", f"{gateway}{API}/auth/signup", body=body)
        assert status == 201, signed_up
        return dict(signed_up)

    async def log_in(self, gateway: str, email: str = EMAIL, password: str = PASSWORD) -> str:
        """Log in; the session's token."""
        body = {"email": email, "password": password}
        status, signed_in = await self.request("POST", f"{gateway}{API}/auth/login", body=body)
        assert status == 200, signed_in
        return str(signed_in["session"]["token"])

    async def request(self, method: str, url: str, token: str | None = None, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of a request that the session `token` makes."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.client.request(method, url, headers=headers, json=body) as answer:
            return answer.status, await answer.json(content_type=None)

    async def status(self, method: str, url: str, token: str | None = None, **options: Any) -> int:
        """Status alone. `options`: of aiohttp's request."""
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        async with self.client.request(method, url, headers=headers, **options) as answer:
            await answer.read()
            return answer.status

    async def close(self) -> None:
        await self.client.close()
        await self._instances.aclose()
