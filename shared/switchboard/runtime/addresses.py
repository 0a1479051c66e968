"""Client addresses: one spelling for each, and what counts as one client for rate limits."""

import ipaddress
import re
from functools import lru_cache

_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):\d{1,5}|\[(?P<v6>[0-9A-Fa-f:.]+)\](?::\d{1,5})?", re.ASCII)
IPV6_NETWORK_BITS = 64
"""What one customer gets at least (RFC 6177)."""


@lru_cache(maxsize=4096)
def read_address(text: str) -> str | None:
    """The address in its usual spelling, without a port, an IPv4-mapped one as IPv4. None: it is no address."""
    text = text.strip()
    if match := _WITH_PORT.fullmatch(text):
        text = match["v4"] or match["v6"]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


@lru_cache(maxsize=4096)
def limited_as(address: str) -> str:
    """The key of an address for rate limits: an IPv6 address is counted with its /64."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network(f"{address}/{IPV6_NETWORK_BITS}", strict=False))
