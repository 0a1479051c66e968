"""The route table: the service of each path. A prefix ends at a `/` or at the path's end; the longest match wins."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

API = "/api/v1"
JSON_BODY = 1024 * 1024 + 16 * 1024
IMPORT_BODY = 64 * 1024 * 1024
MULTIPART_EXTRA = 1024 * 1024

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

# Dot segments, empty segments, encoded slashes and the like: another server could read the path differently.
AMBIGUOUS_PATH = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)|//|%2f|%5c|%00|\\|[^\x21-\x7e]", re.IGNORECASE)

SERVICES = ("auth", "files", "conversations", "scheduler", "realtime")


@dataclass(frozen=True, slots=True)
class Target:
    """The service that handles a path, and its limits."""

    service: str
    max_body: int = JSON_BODY
    accepts_keys: bool = True
    """Whether its POSTs may be retried with an `Idempotency-Key`."""
    gets_cookies: bool = False
    """Whether it gets cookies other than the session's."""
    timeout: float = 20.0
    """Seconds from the last byte of a request to the response's head; services give up at 15."""
    host: bytes | None = None
    """The Host header, if it must not be the instance's address."""


AUTH = Target("auth", accepts_keys=False, gets_cookies=True)
CONVERSATIONS = Target("conversations")
SCHEDULER = Target("scheduler")
REALTIME = Target("realtime", timeout=45.0)  # a long poll waits for events, up to 25 seconds


class RouteTable:
    def __init__(self, max_upload_bytes: int) -> None:
        files = Target("files", max_body=max_upload_bytes + MULTIPART_EXTRA)
        self._prefixes: dict[str, Target] = {
            f"{API}/auth": AUTH,
            f"{API}/users": AUTH,
            f"{API}/tenant": AUTH,
            f"{API}/files": files,
            f"{API}/contacts": CONVERSATIONS,
            f"{API}/contacts/import": Target("conversations", max_body=IMPORT_BODY),
            f"{API}/conversations": CONVERSATIONS,
            f"{API}/consent": CONVERSATIONS,
            f"{API}/notifications": CONVERSATIONS,
            f"{API}/channels": CONVERSATIONS,
            f"{API}/webhooks": CONVERSATIONS,
            f"{API}/events": REALTIME,
            f"{API}/campaigns": SCHEDULER,
            f"{API}/reminders": SCHEDULER,
            f"{API}/calls": SCHEDULER,
            f"{API}/schedule": SCHEDULER,
        }
        # Below the scheduler's campaigns and calls, conversations keeps the deliveries and the events.
        self._exceptions: Sequence[tuple[re.Pattern[str], Target]] = (
            (re.compile(rf"{API}/campaigns/[^/]+/deliveries"), CONVERSATIONS),
            (re.compile(rf"{API}/calls/[^/]+/events"), CONVERSATIONS),
        )

        self.find = lru_cache(maxsize=4096)(self._find)
        """The target of a path, as written in the request line, without its query."""

    def _find(self, path: str) -> Target | None:
        if AMBIGUOUS_PATH.search(path):
            return None
        for pattern, target in self._exceptions:
            if pattern.fullmatch(path):
                return target
        prefix = path
        while prefix:
            if prefix in self._prefixes:
                return self._prefixes[prefix]
            prefix = prefix.rpartition("/")[0]
        return None


def allowed_after_trial(method: str, path: str) -> bool:
    """Whether a request passes after the trial has expired: reading, signing in and out, renaming the tenant."""
    if method in SAFE_METHODS:
        return True
    if path == f"{API}/tenant":
        return True
    sign_in = (f"{API}/auth/logout", f"{API}/auth/login", f"{API}/auth/signup", f"{API}/auth/invites/accept")
    return path in sign_in or path.startswith((f"{API}/auth/sessions", f"{API}/webhooks/"))


def allowed_while_suspended(method: str, path: str) -> bool:
    """Whether a request of a suspended tenant passes: one's own account, signing in and out, providers' webhooks."""
    if path == f"{API}/auth/me":
        return method in SAFE_METHODS
    return path in (f"{API}/auth/logout", f"{API}/auth/login", f"{API}/auth/signup") or path.startswith(
        f"{API}/webhooks/"
    )


def is_public(path: str) -> bool:
    """Whether a path may be asked for without a session: signing in and up, and providers' webhooks."""
    return path.startswith((f"{API}/auth/", f"{API}/webhooks/"))


def is_retryable(method: str, target: Target, has_key: bool) -> bool:
    """Whether a request may be sent again although it may have taken effect."""
    return method in IDEMPOTENT_METHODS or (method == "POST" and has_key and target.accepts_keys)
