"""Header policy: which headers are dropped on the way to services and back, and which the gateway adds."""

HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
# Services trust these because the gateway sets them: a client's own never pass.
SET_BY_GATEWAY = frozenset({
    b"host", b"authorization", b"cookie", b"expect", b"content-length", b"forwarded", b"via", b"x-real-ip",
    b"x-request-id", b"traceparent", b"x-http-method-override", b"x-original-url", b"x-rewrite-url",
})  # fmt: skip
TRUSTED_PREFIXES = (b"x-forwarded-", b"x-switchboard-")
NOT_FORWARDED = HOP_BY_HOP | SET_BY_GATEWAY
# Services decide by these: a client that names them in Connection doesn't take them away (RFC 9110, 7.6.1 forbids it).
END_TO_END = frozenset({
    b"idempotency-key", b"content-type", b"content-encoding", b"accept", b"range", b"if-match", b"if-none-match",
    b"origin", b"user-agent", b"x-twilio-signature",
})  # fmt: skip
NOT_RETURNED = HOP_BY_HOP | {b"server", b"x-request-id"}

SECURITY = (
    b"X-Content-Type-Options: nosniff\r\n"
    b"X-Frame-Options: DENY\r\n"
    b"Referrer-Policy: no-referrer\r\n"
    b"Cross-Origin-Resource-Policy: same-site\r\n"
    b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
)
SECURITY_NAMES = frozenset(line.partition(b":")[0].lower() for line in SECURITY.split(b"\r\n") if line)
STRICT_TRANSPORT_SECURITY = b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
