"""The edge: CORS, trusted proxies, security headers, request ids, graceful shutdown."""

from typing import Any

import pytest
from aiohttp import web
from yarl import URL

FRONTEND = "https://app.example.com"


async def hello(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello")


async def test_cors_allows_only_pages_of_the_frontend(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),), frontend_url=FRONTEND)
    asked = {"Access-Control-Request-Method": "POST"}

    async with stack.client.options(f"{gateway}/api/v1/files", headers={**asked, "Origin": FRONTEND}) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == FRONTEND
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    async with stack.client.get(f"{gateway}/api/v1/files", headers={"Origin": FRONTEND}) as answer:
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    for method in ("OPTIONS", "GET"):
        headers = {**asked, "Origin": "https://evil.example"}
        async with stack.client.request(method, f"{gateway}/api/v1/files", headers=headers) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


async def forwarded_headers(stack: Any, gateway: str, **headers: str) -> dict[str, str]:
    """The X-Forwarded- headers that a service gets."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with stack.client.get(f"{gateway}/api/v1/files", headers=sent) as answer:
        headers_seen: dict[str, str] = await answer.json()
        return headers_seen


async def forwarded(request: web.Request) -> web.StreamResponse:
    return web.json_response({name: request.headers.get(f"X-Forwarded-{name}") for name in ("For", "Proto", "Host")})


async def test_forwarded_headers_are_only_accepted_from_trusted_proxies(stack: Any) -> None:
    url = await stack.service(forwarded)
    alone = await stack.gateway(files_urls=(url,), public_url="http://crm.localhost")
    behind = await stack.gateway(
        files_urls=(url,), public_url="http://crm.localhost", trusted_proxies="127.0.0.0/8, 10.0.0.1"
    )
    said = {"X_Forwarded_For": "6.6.6.6, 203.0.113.9, 10.0.0.1", "X_Forwarded_Proto": "https", "Host": "crm.localhost"}

    assert await forwarded_headers(stack, alone, **said) == {
        "For": "127.0.0.1",
        "Proto": "http",
        "Host": "crm.localhost",
    }
    assert await forwarded_headers(stack, behind, **said) == {
        "For": "203.0.113.9",
        "Proto": "https",
        "Host": "crm.localhost",
    }
    assert (await forwarded_headers(stack, behind, X_Forwarded_For="10.0.0.1"))["For"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        ("::ffff:203.0.113.8", "203.0.113.8"),
        ("203.0.113.7:40000", "203.0.113.7"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("2001:0db8:0:0::1", "2001:db8::1"),
        ("<b>x</b>", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_an_address_has_one_spelling(stack: Any, forwarded_for: str, address: str) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(forwarded),), trusted_proxies="127.0.0.0/8")

    assert (await forwarded_headers(stack, gateway, X_Forwarded_For=forwarded_for))["For"] == address


@pytest.mark.parametrize(
    ("public_url", "host", "status"),
    [
        ("http://127.0.0.1:8080", "localhost", 200),
        ("http://127.0.0.1:8080", "127.0.0.1:8081", 200),
        ("http://127.0.0.1:8080", "[::1]:8080", 200),
        ("http://127.0.0.1:8080", "evil.example", 421),
        ("http://127.0.0.1:8080", "[::1", 421),
        ("http://127.0.0.1:8080", "127.0.0.1:8080.evil.example", 421),
        ("https://crm.example.com", "crm.example.com", 200),
        ("https://crm.example.com", "CRM.example.com:443", 200),
        ("https://crm.example.com", "crm.example.com:8443", 421),
        ("https://crm.example.com", "localhost", 421),
        ("https://crm.example.com", "crm.example.com.evil.example", 421),
    ],
)
async def test_a_foreign_host_is_refused(stack: Any, public_url: str, host: str, status: int) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),), public_url=public_url)

    assert await stack.status("GET", f"{gateway}/api/v1/files", headers={"Host": host}) == status
    assert await stack.status("GET", f"{gateway}/readyz", headers={"Host": host}) == 200


async def test_every_response_carries_security_headers(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),), public_url="https://crm.example.com")

    for path in ("/api/v1/files", "/api/v1/nothing", "/nothing", "/health", "/api/v1/auth/%0A"):
        async with stack.client.get(URL(gateway + path, encoded=True), headers={"Host": "crm.example.com"}) as answer:
            headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Request-Id"]
        assert "aiohttp" not in headers.get("Server", "")


async def test_a_valid_request_id_is_kept(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),))

    async def id_of(sent: str) -> str:
        async with stack.client.get(f"{gateway}/api/v1/files", headers={"X-Request-Id": sent}) as answer:
            return str(answer.headers["X-Request-Id"])

    assert await id_of("mine-1.2_3") == "mine-1.2_3"
    assert await id_of("not mine") != "not mine"
    assert len(await id_of("x" * 65)) == 32


async def test_an_unknown_expectation_is_refused(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),))

    async with stack.client.post(f"{gateway}/api/v1/files", data=b"x", headers={"Expect": "miracles"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (417, "expectation_failed")


async def test_graceful_shutdown_serves_requests_and_closes_connections(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hello),))
    stack.health[gateway].drain()

    assert await stack.status("GET", f"{gateway}/readyz") == 503
    for path, status in (("/api/v1/files", 200), ("/api/v1/nothing", 404)):
        async with stack.client.get(gateway + path) as answer:
            assert (answer.status, answer.headers["Connection"]) == (status, "close")
