"""A browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp


@dataclass
class Browser:
    """Keeps the cookies of the one site that all gateways are, and follows no redirect by itself."""

    gateways: list[str]
    http: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, gateway: int, path: str) -> tuple[int, str, Any]:
        """Status, where to, and the body when it is JSON."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        url = f"{self.gateways[gateway % len(self.gateways)]}/api/v1{path}"
        async with self.http.get(url, headers=headers, allow_redirects=False) as answer:
            for name, morsel in answer.cookies.items():
                self.cookies[name] = morsel.value
                if not morsel.value or morsel["max-age"] == "0":
                    del self.cookies[name]
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, answer.headers.get("Location", ""), await answer.json() if is_json else None

    async def approve(self, location: str, subject: str) -> str:
        """Says yes at the provider; the query that the browser is sent back with."""
        async with self.http.post(location, data={"sub": subject}, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return urlsplit(answer.headers["Location"]).query


@asynccontextmanager
async def browser(gateways: list[str]) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Browser(gateways, http)
