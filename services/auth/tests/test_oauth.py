"""Sign-in with an OpenID provider, which runs in another process."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from switchboard.testing.network import free_port
from switchboard.testing.sign_in import sign_in_provider

from .browser import Browser
from .deployment import Deployment

PEOPLE = [
    {"sub": "ann", "email": "ann@example.com", "email_verified": True, "name": "Ann"},
    {"sub": "newcomer", "email": "new@example.com", "email_verified": True, "name": "New Comer"},
    {"sub": "stranger", "email": "stranger@example.com", "email_verified": False},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[str]:
    port = free_port()
    async with sign_in_provider(port, *PEOPLE):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def gateways(deployment: Deployment, provider: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("OAUTH_MOCK_CLIENT_ID", "switchboard")
    monkeypatch.setenv("OAUTH_MOCK_CLIENT_SECRET", "secret")
    monkeypatch.setenv("OAUTH_MOCK_DISCOVERY_URL", f"{provider}/.well-known/openid-configuration")
    return await deployment.gateways()


@pytest.fixture
def browser(deployment: Deployment, gateways: tuple[str, str]) -> Browser:
    return Browser(deployment, *gateways)


@pytest.fixture
def another_browser(deployment: Deployment, gateways: tuple[str, str]) -> Browser:
    return Browser(deployment, *gateways)


async def test_the_providers_are_listed_for_anybody(deployment: Deployment, gateways: tuple[str, str]) -> None:
    async with deployment.client.get(f"{gateways[0]}/api/v1/auth/oauth") as answer:
        assert (answer.status, await answer.json()) == (200, {"items": ["mock"]})


async def test_a_first_sign_in_signs_up_and_a_later_one_finds_the_user(browser: Browser) -> None:
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


async def test_another_browsers_callback_is_refused_and_changes_nothing(
    browser: Browser, another_browser: Browser
) -> None:
    query = await browser.approve(await browser.begin(), "newcomer")

    status, _, problem = await another_browser.finish(query)

    assert (status, problem["code"]) == (400, "oauth_state_invalid")
    assert "session" not in another_browser.cookies
    assert (await browser.finish(query))[0] == 302


async def test_an_expired_state_is_refused(browser: Browser, deployment: Deployment) -> None:
    query = await browser.approve(await browser.begin(), "newcomer")
    async with Redis.from_url(deployment.redis_url) as redis:
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

        status, _, problem = await browser.get(f"{browser.first}/oauth/mock/login?{query}")

        assert (status, problem["errors"][0]["loc"]) == (422, ["query", "redirect_to"]), foreign


async def test_the_request_to_the_provider_carries_pkce_and_nonce(browser: Browser) -> None:
    asked = dict(parse_qsl(urlsplit(await browser.begin()).query))

    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert {"code_challenge", "nonce", "state", "redirect_uri"} <= asked.keys()


async def test_an_existing_address_is_linked_only_by_its_user(browser: Browser, deployment: Deployment) -> None:
    signed_up = await deployment.sign_up(browser.gateway)

    status, _, problem = await browser.finish(await browser.approve(await browser.begin(), "ann"))
    assert (status, problem["code"]) == (409, "oauth_link_required")

    browser.cookies["session"] = signed_up["session"]["token"]
    assert (await browser.finish(await browser.approve(await browser.begin("link"), "ann")))[:2] == (302, "/inbox")
    browser.cookies.clear()
    assert (await browser.finish(await browser.approve(await browser.begin(), "ann")))[0] == 302
    assert (await browser.me())["user"]["id"] == signed_up["user"]["id"]


async def test_an_unverified_address_is_refused(browser: Browser) -> None:
    status, _, problem = await browser.finish(await browser.approve(await browser.begin(), "stranger"))

    assert (status, problem["code"]) == (403, "oauth_email_unverified")


async def test_a_refusal_by_the_provider_is_reported(browser: Browser) -> None:
    state = dict(parse_qsl(urlsplit(await browser.begin()).query))["state"]

    status, _, problem = await browser.finish(urlencode({"error": "access_denied", "state": state}))

    assert (status, problem["code"]) == (400, "oauth_refused")


async def test_an_account_is_linked_to_one_user_only(browser: Browser, deployment: Deployment) -> None:
    await browser.finish(await browser.approve(await browser.begin(), "newcomer"))
    other = await deployment.sign_up(browser.gateway, "other@example.com")
    browser.cookies["session"] = other["session"]["token"]

    status, _, problem = await browser.finish(await browser.approve(await browser.begin("link"), "newcomer"))

    assert (status, problem["code"]) == (409, "oauth_account_taken")


async def test_a_link_is_refused_when_its_session_has_ended(browser: Browser, deployment: Deployment) -> None:
    signed_up = await deployment.sign_up(browser.gateway)
    token = browser.cookies["session"] = signed_up["session"]["token"]
    query = await browser.approve(await browser.begin("link"), "ann")
    assert await deployment.status("POST", f"{browser.first}/logout", token) == 204

    status, _, problem = await browser.finish(query)

    assert (status, problem["code"]) == (400, "oauth_state_invalid")


async def test_a_link_needs_a_session(browser: Browser) -> None:
    assert (await browser.get(f"{browser.first}/oauth/mock/link"))[0] == 401
    assert (await browser.submit(f"{browser.first}/oauth/mock/link", browser.gateway))[0] == 401


async def test_another_site_cannot_begin_a_link(browser: Browser, deployment: Deployment) -> None:
    signed_up = await deployment.sign_up(browser.gateway)
    browser.cookies["session"] = signed_up["session"]["token"]
    url = f"{browser.first}/oauth/mock/link"

    asked, location, _ = await browser.get(url)  # as by a link of that site: a page asks first
    refused, _, problem = await browser.submit(url, "https://evil.example")

    assert (asked, location) == (200, "")
    assert (refused, problem["code"]) == (403, "cross_origin")


async def test_the_form_of_the_page_that_asks_begins_a_link(browser: Browser, deployment: Deployment) -> None:
    signed_up = await deployment.sign_up(browser.gateway)
    browser.cookies["session"] = signed_up["session"]["token"]
    url = f"{browser.first}/oauth/mock/link"

    await browser.get(url)
    begun, location, _ = await browser.submit_shown(url)

    assert (begun, urlsplit(location).path) == (303, "/oauth2/authorize")


async def test_a_redirect_of_another_issuer_is_refused(browser: Browser) -> None:
    query = await browser.approve(await browser.begin(), "newcomer")

    status, _, problem = await browser.finish(query + "&iss=https%3A%2F%2Fevil.example")

    assert (status, problem["code"]) == (400, "oauth_refused")


async def test_an_unknown_provider_is_not_found(browser: Browser) -> None:
    assert (await browser.get(f"{browser.first}/oauth/elsewhere/login"))[0] == 404
