"""Sessions at two gateways: a session that ends at one is refused by the other in the very next request."""

import asyncio

import pytest

from switchboard.testing.waiting import until

from .deployment import API, Deployment
from .tenant import TenantClient


async def test_sessions_are_listed_and_ended_singly_or_all_others(tenant: TenantClient) -> None:
    tokens = [await tenant.log_in() for _ in range(3)]
    _, listed = await tenant.request("GET", f"{tenant.second}/auth/sessions", tokens[0])
    current = next(one for one in listed["items"] if one["current"])

    assert [one["address"] for one in listed["items"]] == ["127.0.0.1"] * 4
    assert await tenant.status("DELETE", f"{tenant.first}/auth/sessions/{current['id']}", tenant.agent) == 404
    assert await tenant.status("DELETE", f"{tenant.first}/auth/sessions/{current['id']}", tokens[1]) == 204
    assert await tenant.status("GET", f"{tenant.second}/auth/me", tokens[0]) == 401
    assert await tenant.status("DELETE", f"{tenant.first}/auth/sessions", tokens[1]) == 204
    assert await tenant.status("GET", f"{tenant.second}/auth/me", tokens[2]) == 401
    assert await tenant.status("GET", f"{tenant.second}/auth/me", tokens[1]) == 200


async def test_a_log_out_at_one_gateway_holds_at_the_other_at_once(deployment: Deployment) -> None:
    first, second = await deployment.gateways()
    await deployment.sign_up(first)

    for _ in range(100):  # other ways to end a session: the gateway's test_session_invalidation.py
        token = await deployment.log_in(first)
        assert await deployment.status("GET", f"{second}{API}/auth/me", token) == 200
        assert await deployment.status("GET", f"{first}{API}/auth/me", token) == 200
        assert await deployment.status("POST", f"{second}{API}/auth/logout", token) == 204
        assert await deployment.status("GET", f"{first}{API}/auth/me", token) == 401
        assert await deployment.status("GET", f"{second}{API}/auth/me", token) == 401


async def test_cache_invalidation_is_retried_until_redis_is_reached(deployment: Deployment) -> None:
    with_redis, without = await deployment.auth(), await deployment.auth(redis_url="redis://127.0.0.1:1/0")
    gateway = await deployment.gateway(with_redis)
    token = (await deployment.sign_up(gateway))["session"]["token"]
    assert await deployment.status("GET", f"{gateway}{API}/auth/me", token) == 200

    cut_off = await deployment.gateway(without)
    headers = {"Authorization": f"Bearer {token}"}
    async with deployment.client.post(f"{cut_off}{API}/auth/logout", headers=headers) as answer:
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)

    async def is_logged_out() -> bool:
        return await deployment.status("GET", f"{gateway}{API}/auth/me", token) == 401

    await until(is_logged_out)  # the instance that does reach Redis invalidates the cache


@pytest.mark.parametrize(
    ("public_url", "cookie"),
    [
        ("http://127.0.0.1:8080", "session={token}; HttpOnly; Max-Age=2592000; Path=/; SameSite=Lax"),
        ("https://crm.example.com", "__Host-session={token}; HttpOnly; Max-Age=2592000; Path=/; SameSite=Lax; Secure"),
    ],
)
async def test_the_session_cookie_is_http_only_and_same_site(
    deployment: Deployment, public_url: str, cookie: str
) -> None:
    gateway = await deployment.gateway(await deployment.auth(public_url=public_url), public_url=public_url)
    body = {"tenant_name": "Acme", "name": "Ann", "email": "ann@example.com", "password": "correct horse"}

    host = {"Host": public_url.partition("//")[2]}
    async with deployment.client.post(f"{gateway}{API}/auth/signup", json=body, headers=host) as answer:
        token = (await answer.json())["session"]["token"]
        given = answer.headers["Set-Cookie"]
        assert answer.headers["Cache-Control"] == "no-store"

    assert sorted(given.split("; ")) == sorted(cookie.format(token=token).split("; "))
    headers = {**host, "Cookie": given.partition(";")[0], "Origin": public_url}
    assert await deployment.status("GET", f"{gateway}{API}/auth/me", headers=headers) == 200
    async with deployment.client.post(f"{gateway}{API}/auth/logout", headers=headers) as answer:
        assert (answer.status, "Max-Age=0" in answer.headers["Set-Cookie"]) == (204, True)


async def test_any_user_agent_is_kept_as_text(deployment: Deployment) -> None:
    gateway = await deployment.gateway(await deployment.auth())
    await deployment.sign_up(gateway)
    host, port = gateway.removeprefix("http://").split(":")
    body = b'{"email":"ann@example.com","password":"correct horse"}'

    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {API}/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(
        head.encode() + b"User-Agent: \xff\xfe\xe9 browser\r\nConnection: close\r\nContent-Length: 54\r\n\r\n" + body
    )
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
