"""Signing in by an OpenID provider, a real one in a process of its own."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import pytest_asyncio

from switchboard.testing.network import free_port
from switchboard.testing.sign_in import sign_in_provider

PEOPLE = [
    {"sub": "ann", "email": "ann@example.com", "email_verified": True, "name": "Ann"},
    {"sub": "newcomer", "email": "new@example.com", "email_verified": True, "name": "New Comer"},
    {"sub": "stranger", "email": "who@example.com", "email_verified": False},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[str]:
    port = free_port()
    async with sign_in_provider(port, *PEOPLE):
        yield f"http://127.0.0.1:{port}"


class Browser:
    """Keeps its cookies, follows no redirect by itself."""

    def __init__(self, stack: Any, gateway: str, other: str) -> None:
        self.gateway = f"{gateway}/api/v1/auth"
        self.other = f"{other}/api/v1/auth"
        self.cookies: dict[str, str] = {}
        self._client = stack.client

    async def get(self, url: str) -> tuple[int, str, Any]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        async with self._client.get(url, headers=headers, allow_redirects=False) as answer:
            for name, morsel in answer.cookies.items():
                self.cookies[name] = morsel.value
                if not morsel.value or morsel["max-age"] == "0":
                    del self.cookies[name]
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, answer.headers.get("Location", ""), await answer.json() if is_json else None

    async def begin(self, what: str = "login", redirect_to: str = "/inbox") -> str:
        query = urlencode({"redirect_to": redirect_to})
        status, location, problem = await self.get(f"{self.gateway}/oauth/mock/{what}?{query}")
        assert status == 302, problem
        return location

    async def approve(self, authorization_url: str, sub: str) -> str:
        """The query that the provider sends the browser back with."""
        async with self._client.post(authorization_url, data={"sub": sub}, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return str(urlsplit(answer.headers["Location"]).query)

    async def finish(self, query: str) -> tuple[int, str, Any]:
        return await self.get(f"{self.other}/oauth/mock/callback?{query}")

    async def me(self) -> Any:
        return (await self.get(f"{self.other}/me"))[2]


@pytest.fixture
async def gateways(stack: Any, provider: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("OAUTH_MOCK_CLIENT_ID", "switchboard")
    monkeypatch.setenv("OAUTH_MOCK_CLIENT_SECRET", "secret")
    monkeypatch.setenv("OAUTH_MOCK_DISCOVERY_URL", f"{provider}/.well-known/openid-configuration")
    auth = await stack.auth(), await stack.auth()
    return await stack.gateway(*auth), await stack.gateway(*auth)


@pytest.fixture
def browser(stack: Any, gateways: tuple[str, str]) -> Browser:
    return Browser(stack, *gateways)


@pytest.fixture
def another_browser(stack: Any, gateways: tuple[str, str]) -> Browser:
    return Browser(stack, *gateways)


async def test_a_log_in_begun_at_one_gateway_and_finished_at_the_other_signs_up_and_later_in(browser: Browser) -> None:
    users = []
    for _ in range(2):
        query = await browser.approve(await browser.begin(), "newcomer")
        assert (await browser.finish(query))[:2] == (302, "/inbox")
        users.append((await browser.me())["user"])
        browser.cookies.clear()

    assert users[0] == users[1]
    assert (users[0]["email"], users[0]["role"]) == ("new@example.com", "owner")


async def test_the_same_callback_again_is_refused(browser: Browser) -> None:
    query = await browser.approve(await browser.begin(), "newcomer")
    cookies = dict(browser.cookies)
    await browser.finish(query)
    browser.cookies = cookies

    status, _, problem = await browser.finish(query)

    assert (status, problem["code"]) == (400, "oauth_state_invalid")


async def test_another_browsers_callback_is_refused_and_spoils_nothing(
    browser: Browser, another_browser: Browser
) -> None:
    query = await browser.approve(await browser.begin(), "newcomer")

    status, _, problem = await another_browser.finish(query)

    assert (status, problem["code"]) == (400, "oauth_state_invalid")
    assert "session" not in another_browser.cookies
    assert (await browser.finish(query))[0] == 302


async def test_an_expired_state_is_refused(browser: Browser, stack: Any) -> None:
    from redis.asyncio import Redis

    query = await browser.approve(await browser.begin(), "newcomer")
    async with Redis.from_url(stack.redis_url) as redis:
        [key] = await redis.keys("oauth:state:*")
        assert 590 < await redis.ttl(key) <= 600
        await redis.delete(key)  # as its expiry does

    status, _, problem = await browser.finish(query)

    assert (status, problem["code"]) == (400, "oauth_state_invalid")


async def test_a_made_up_state_is_refused(browser: Browser) -> None:
    query = await browser.approve(await browser.begin(), "newcomer")
    made_up = urlencode({**dict(parse_qsl(query)), "state": "made-up"})

    status, _, problem = await browser.finish(made_up)

    assert (status, problem["code"]) == (400, "oauth_state_invalid")


async def test_an_id_token_with_another_nonce_is_refused(browser: Browser) -> None:
    begun = urlsplit(await browser.begin())
    other = begun._replace(query=urlencode({**dict(parse_qsl(begun.query)), "nonce": "another"}))
    query = await browser.approve(other.geturl(), "newcomer")

    status, _, problem = await browser.finish(query)

    assert (status, problem["code"]) == (400, "oauth_refused")
    assert "session" not in browser.cookies


async def test_a_foreign_redirect_is_refused(browser: Browser) -> None:
    for foreign in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "evil",
        "/ok\r\nX: y",
        "/%0a\\x",
        "/\t/evil",
    ):
        query = urlencode({"redirect_to": foreign})

        status, _, problem = await browser.get(f"{browser.gateway}/oauth/mock/login?{query}")

        assert (status, problem["errors"][0]["loc"]) == (422, ["query", "redirect_to"]), foreign


async def test_the_request_to_the_provider_carries_pkce_and_nonce(browser: Browser) -> None:
    asked = dict(parse_qsl(urlsplit(await browser.begin()).query))

    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert {"code_challenge", "nonce", "state", "redirect_uri"} <= asked.keys()


async def test_an_existing_address_is_linked_only_by_its_user(browser: Browser, stack: Any) -> None:
    signed_up = await stack.sign_up(browser.gateway.removesuffix("/api/v1/auth"))

    status, _, problem = await browser.finish(await browser.approve(await browser.begin(), "ann"))
    assert (status, problem["code"]) == (409, "oauth_link_required")

    browser.cookies["session"] = signed_up["session"]["token"]
    assert (await browser.finish(await browser.approve(await browser.begin("link"), "ann")))[:2] == (302, "/inbox")
    browser.cookies.clear()
    assert (await browser.finish(await browser.approve(await browser.begin(), "ann")))[0] == 302
    assert (await browser.me())["user"]["id"] == signed_up["user"]["id"]


async def test_an_address_that_the_provider_does_not_vouch_for_signs_nobody_up(browser: Browser) -> None:
    status, _, problem = await browser.finish(await browser.approve(await browser.begin(), "stranger"))

    assert (status, problem["code"]) == (403, "oauth_email_unverified")


async def test_a_provider_that_says_no_is_told_so(browser: Browser) -> None:
    state = dict(parse_qsl(urlsplit(await browser.begin()).query))["state"]

    status, _, problem = await browser.finish(urlencode({"error": "access_denied", "state": state}))

    assert (status, problem["code"]) == (400, "oauth_refused")


async def test_an_account_that_is_linked_to_somebody_is_linked_to_nobody_else(browser: Browser, stack: Any) -> None:
    await browser.finish(await browser.approve(await browser.begin(), "newcomer"))
    other = await stack.sign_up(browser.gateway.removesuffix("/api/v1/auth"), "other@example.com")
    browser.cookies["session"] = other["session"]["token"]

    status, _, problem = await browser.finish(await browser.approve(await browser.begin("link"), "newcomer"))

    assert (status, problem["code"]) == (409, "oauth_account_taken")


async def test_a_link_begun_in_a_session_that_has_ended_since_is_refused(browser: Browser, stack: Any) -> None:
    signed_up = await stack.sign_up(browser.gateway.removesuffix("/api/v1/auth"))
    token = browser.cookies["session"] = signed_up["session"]["token"]
    query = await browser.approve(await browser.begin("link"), "ann")
    assert await stack.status("POST", f"{browser.gateway}/logout", token) == 204

    status, _, problem = await browser.finish(query)

    assert (status, problem["code"]) == (400, "oauth_state_invalid")


async def test_nobody_links_without_a_session(browser: Browser) -> None:
    assert (await browser.get(f"{browser.gateway}/oauth/mock/link"))[0] == 401


async def test_a_provider_that_nobody_has_set_up_is_not_there(browser: Browser) -> None:
    assert (await browser.get(f"{browser.gateway}/oauth/elsewhere/login"))[0] == 404
