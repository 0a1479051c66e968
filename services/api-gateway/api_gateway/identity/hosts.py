"""The hosts that are ours: links in answers lead to the host that was asked for, so a foreign one is refused."""

import re
from urllib.parse import urlsplit

from switchboard.runtime.refusals import Refusal
from switchboard.runtime.settings import is_loopback

HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>\d{1,5}))?", re.ASCII)
DEFAULT_PORTS = {"http": 80, "https": 443}


class MisdirectedRequest(Refusal):
    """The Host header names another site than this one."""

    code = "misdirected_request"
    status = 421


class OwnHosts:
    """`PUBLIC_URL`'s host; every loopback name and port besides if it is one, as each gateway has a port of its own."""

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        self._scheme = parts.scheme
        self._public = self._parse(parts.netloc)
        self._is_local = is_loopback(parts.hostname or "")

    def check(self, host: str) -> None:
        """Raises `MisdirectedRequest` for a host that is not ours."""
        if not self.includes(host):
            raise MisdirectedRequest

    def includes(self, host: str) -> bool:
        """Whether the value of a Host header is ours."""
        parsed = self._parse(host)
        if parsed is None:
            return False
        return parsed == self._public or (self._is_local and is_loopback(parsed[0].strip("[]")))

    def includes_origin(self, origin: str, host: str) -> bool:
        """Whether a page of the requested host asks, which is ours. On a loopback host the origin has its port too."""
        return self._is_local and self.includes(host) and origin.lower() == f"http://{host.lower()}"

    def _parse(self, host: str) -> tuple[str, int] | None:
        """Name and port."""
        match = HOST.fullmatch(host.lower())
        if match is None:
            return None
        return match["name"].rstrip("."), int(match["port"] or DEFAULT_PORTS[self._scheme])
