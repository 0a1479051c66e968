"""Sessions at the edge: the session cache, tokens and cookies, the end of a trial."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis


@pytest.mark.parametrize("header", [{"Authorization": "Bearer \xff\xfe"}, {"Cookie": "session=\xff\xfe"}])
async def test_a_token_that_is_not_ascii_is_unauthenticated(stack: Any, header: dict[str, str]) -> None:
    gateway = await stack.gateway(await stack.auth())
    name, value = next(iter(header.items()))
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(gateway).port)
    writer.write(
        f"GET /api/v1/auth/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{name}: {value}\r\n\r\n".encode(
            "latin-1"
        )
    )

    answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 401")
    writer.close()


async def test_a_lookup_begun_before_the_logout_does_not_restore_the_session(stack: Any) -> None:
    auth = await stack.auth()
    gateway = await stack.gateway(auth)
    token = (await stack.sign_up(gateway))["session"]["token"]
    async with stack.client.post(f"{auth}/internal/sessions/resolve", json={"token": token}) as answer:
        before = await answer.json()

    assert await stack.status("POST", f"{gateway}/api/v1/auth/logout", token) == 204
    await _fill(stack, token, before)

    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", token) == 401


async def test_sessions_work_and_end_while_redis_is_unavailable(stack: Any, dead_redis_url: str) -> None:
    auth = await stack.auth()
    gateway = await stack.gateway(auth, redis_url=dead_redis_url)
    token = (await stack.sign_up(gateway))["session"]["token"]

    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", token) == 200
    assert await stack.status("POST", f"{gateway}/api/v1/auth/logout", token) == 204
    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", token) == 401


async def test_a_request_with_the_cookie_needs_the_origin_of_this_site(stack: Any) -> None:
    gateway = await stack.gateway(await stack.auth(), frontend_url="https://app.example.com")
    token = (await stack.sign_up(gateway))["session"]["token"]
    logout = f"{gateway}/api/v1/auth/logout"
    cookie = {"Cookie": f"theme=dark; session={token}"}

    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", headers=cookie) == 200
    assert await stack.status("POST", logout, headers={**cookie, "Sec-Fetch-Site": "cross-site"}) == 403
    assert await stack.status("POST", logout, headers={**cookie, "Sec-Fetch-Site": "same-site"}) == 403
    assert await stack.status("POST", logout, headers={**cookie, "Origin": "https://evil.example"}) == 403
    assert await stack.status("POST", logout, headers={**cookie, "Origin": "null"}) == 403
    assert await stack.status("POST", logout, headers={**cookie, "Origin": "https://app.example.com"}) == 204


async def test_a_client_that_is_no_browser_keeps_its_cookies(stack: Any) -> None:
    gateway = await stack.gateway(await stack.auth())
    token = (await stack.sign_up(gateway))["session"]["token"]

    assert await stack.status("POST", f"{gateway}/api/v1/auth/logout", headers={"Cookie": f"session={token}"}) == 204


@pytest.mark.parametrize("public_url", ["https://crm.example.com", "http://127.0.0.1:8080"])
async def test_an_origin_is_compared_exactly(stack: Any, public_url: str) -> None:
    gateway = await stack.gateway(await stack.auth(public_url=public_url), public_url=public_url)
    cookie = {"Cookie": "__Host-session=x; session=x", "Host": public_url.partition("//")[2]}

    for origin, status in (
        ("http://crm.evil.example", 403),
        ("http://localhost:8080", 403),
        ("http://127.0.0.1:8080.evil.example", 403),
        ("http://127.0.0.1 :8080", 403),
        (public_url, 401),
    ):
        headers = {**cookie, "Origin": origin}
        assert await stack.status("POST", f"{gateway}/api/v1/auth/logout", headers=headers) == status


async def test_after_the_trial_a_tenant_may_only_read_and_sign_out(stack: Any) -> None:
    auth = await stack.auth(trial_duration="1ms")
    gateway = await stack.gateway(auth, scheduler_urls=(auth,))
    token = (await stack.sign_up(gateway))["session"]["token"]

    assert await stack.status("POST", f"{gateway}/api/v1/reminders", token, json={}) == 402
    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", token) == 200
    assert await stack.status("POST", f"{gateway}/api/v1/auth/logout", token) == 204


async def _fill(stack: Any, token: str, session: dict[str, Any]) -> None:
    """Fill the cache as a gateway does that got the answer of auth late."""
    from api_gateway.identity.session_resolver import SessionResolver

    async def no_session(_token: str) -> None:
        return None

    async with Redis.from_url(stack.redis_url) as redis:
        await SessionResolver(redis, no_session)._fill(token, session)
