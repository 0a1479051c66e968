"""A browser that signs in with OpenID Connect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp


@dataclass
class Browser:
    """Keeps one set of cookies for all gateways, and follows no redirect."""

    gateways: list[str]
    http: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, gateway: int, path: str) -> tuple[int, str, Any]:
        """Return the status, the Location header, and the body if it is JSON."""
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
        """Approve the sign-in at the provider, and return the query of its redirect."""
        async with self.http.post(location, data={"sub": subject}, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return urlsplit(answer.headers["Location"]).query


@asynccontextmanager
async def browser(gateways: list[str]) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Browser(gateways, http)
