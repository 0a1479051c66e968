"""Which proxies are believed."""

import ipaddress

import pytest
from aiohttp.test_utils import make_mocked_request

from api_gateway.proxy.request import TrustedProxies


@pytest.mark.parametrize(
    ("peer", "address", "scheme"),
    [
        ("10.0.0.1", "203.0.113.9", "https"),
        ("::ffff:10.0.0.1", "203.0.113.9", "https"),  # as a socket of both families names it
        ("10.0.0.2", "10.0.0.2", "http"),
        ("::ffff:10.0.0.2", "10.0.0.2", "http"),
    ],
)
def test_a_trusted_proxy_is_known_in_either_spelling(peer: str, address: str, scheme: str) -> None:
    proxies = TrustedProxies([ipaddress.ip_network("10.0.0.1")])
    said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    request = make_mocked_request("GET", "/", headers=said).clone(remote=peer)

    assert proxies.client_address(request) == address
    assert proxies.scheme(request, "http") == scheme
