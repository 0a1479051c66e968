"""A browser that signs in with an OpenID provider."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from .deployment import API, Deployment


class Browser:
    """Keeps cookies and follows no redirect by itself. Begins at one gateway and finishes at the other."""

    def __init__(self, deployment: Deployment, gateway: str, other: str) -> None:
        self.gateway = gateway
        self.first = f"{gateway}{API}/auth"
        self.second = f"{other}{API}/auth"
        self.cookies: dict[str, str] = {}
        self.referrer_policy = ""
        """Of the page that was got last."""
        self._client = deployment.client

    async def get(self, url: str) -> tuple[int, str, Any]:
        return await self._ask("GET", url)

    async def submit(self, url: str, origin: str) -> tuple[int, str, Any]:
        """Send an empty form of a page of this origin."""
        return await self._ask("POST", url, {"Origin": origin})

    async def submit_shown(self, url: str) -> tuple[int, str, Any]:
        """Send the empty form of the page that was got last. Browsers hide its origin under `no-referrer`."""
        return await self.submit(url, "null" if self.referrer_policy == "no-referrer" else self.gateway)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, str, Any]:
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **(headers or {})}
        async with self._client.request(method, url, headers=sent, allow_redirects=False) as answer:
            self.referrer_policy = answer.headers.get("Referrer-Policy", "")
            for name, morsel in answer.cookies.items():
                self.cookies[name] = morsel.value
                if not morsel.value or morsel["max-age"] == "0":
                    del self.cookies[name]
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, answer.headers.get("Location", ""), await answer.json() if is_json else None

    async def begin(self, purpose: str = "login", redirect_to: str = "/inbox") -> str:
        query = urlencode({"redirect_to": redirect_to})
        url = f"{self.first}/oauth/mock/{purpose}?{query}"
        begun = await (self.submit(url, self.gateway) if purpose == "link" else self.get(url))
        assert begun[0] in (302, 303), begun
        return begun[1]

    async def approve(self, authorization_url: str, sub: str) -> str:
        """The query that the provider sends the browser back with."""
        async with self._client.post(authorization_url, data={"sub": sub}, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return str(urlsplit(answer.headers["Location"]).query)

    async def finish(self, query: str) -> tuple[int, str, Any]:
        return await self.get(f"{self.second}/oauth/mock/callback?{query}")

    async def me(self) -> Any:
        return (await self.get(f"{self.second}/me"))[2]
