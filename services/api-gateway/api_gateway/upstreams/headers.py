"""Headers on their way through: what is dropped, what is added, and to whom cookies are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
# What a service may believe because we say it: never what a client says.
OURS = frozenset({
    b"host", b"authorization", b"cookie", b"expect", b"content-length", b"forwarded", b"via", b"x-real-ip",
    b"x-request-id", b"traceparent", b"x-http-method-override", b"x-original-url", b"x-rewrite-url",
})  # fmt: skip
NOT_FORWARDED = HOP_BY_HOP | OURS
OUR_PREFIXES = (b"x-forwarded-", b"x-switchboard-")

NOT_RETURNED = HOP_BY_HOP | {b"server", b"x-request-id"}

SECURITY = (
    b"X-Content-Type-Options: nosniff\r\n"
    b"X-Frame-Options: DENY\r\n"
    b"Referrer-Policy: no-referrer\r\n"
    b"Cross-Origin-Resource-Policy: same-site\r\n"
    b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
)
SECURITY_NAMES = frozenset(line.partition(b":")[0].lower() for line in SECURITY.split(b"\r\n") if line)
STRICT_TRANSPORT = b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status >= 200
}
TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def forwarded(raw_headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """A client's headers as an upstream gets them, one `Name: value` line each."""
    lines: list[bytes] = []
    named: set[bytes] = set()
    for name, value in raw_headers:
        lower = name.lower()
        if lower == b"connection":
            named |= {part.strip().lower() for part in value.split(b",")}
        if lower in NOT_FORWARDED or lower.startswith(OUR_PREFIXES):
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    if named - HOP_BY_HOP - {b"close"}:
        lines = [line for line in lines if line.partition(b":")[0].lower() not in named]
    return lines


def answer_head(status: int, headers: Iterable[tuple[bytes, bytes]], ours: bytes) -> bytes:
    """The head of an upstream's answer as the client gets it, up to and without the framing and the empty line.

    `ours`: lines to add. What an upstream says of security is kept in place of our default.
    """
    lines = [STATUS_LINES.get(status) or b"HTTP/1.1 %d -\r\n" % status]
    special = False
    for name, value in headers:
        if name in NOT_RETURNED:
            continue
        special = special or name in SECURITY_NAMES
        lines.append(b"%b: %b\r\n" % (name, value))
    if special:
        said = {name for name, _ in headers}
        ours = b"".join(
            line + b"\r\n" for line in ours.split(b"\r\n") if line and line.partition(b":")[0].lower() not in said
        )
    lines.append(ours)
    return b"".join(lines)


def cookie(header: str, name: str) -> str | None:
    """The value of a cookie in a `Cookie` header."""
    for part in header.split(";"):
        found, _, value = part.strip().partition("=")
        if found == name:
            return value.strip('"') or None
    return None


def cookies_but(header: str, name: str) -> bytes:
    """A `Cookie` header line without one cookie; empty when nothing is left."""
    kept = [part.strip() for part in header.split(";") if part.strip() and part.strip().partition("=")[0] != name]
    return f"Cookie: {'; '.join(kept)}\r\n".encode("latin-1", "replace") if kept else b""
