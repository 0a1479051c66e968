"""Where each path goes: the one table of prefixes. A prefix ends at a `/` or where the path ends; the longest wins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

API = "/api/v1"
JSON_BODY = 1024 * 1024 + 16 * 1024
IMPORT_BODY = 64 * 1024 * 1024
UPLOAD_EXTRA = 1024 * 1024  # what multipart adds to a file

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

# A path that means another one than it says is nobody's.
TWISTED = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)|//|%2f|%5c|%00|\\|[^\x21-\x7e]", re.IGNORECASE)

SERVICES = ("auth", "files", "conversations", "scheduler", "realtime")


@dataclass(frozen=True, slots=True)
class Target:
    """The service that answers a path. `most`: bytes of a request's body. `keyed`: its POSTs may take a key."""

    service: str
    most: int = JSON_BODY
    keyed: bool = True
    cookies: bool = False
    """Whether cookies other than the session's are passed on."""
    answer_within: float = 20.0
    """Seconds from the last byte of a request to its answer's head; services give up at 15."""
    host: bytes | None = None
    """What the service is called by the Host header, where that matters to it."""


AUTH = Target("auth", keyed=False, cookies=True)
CONVERSATIONS = Target("conversations")
SCHEDULER = Target("scheduler")
REALTIME = Target("realtime", answer_within=45.0)  # a poll waits for events, up to 25 seconds


class RouteTable:
    """Finds a path's service."""

    def __init__(self, max_upload_bytes: int) -> None:
        files = Target("files", most=max_upload_bytes + UPLOAD_EXTRA)
        self._prefixes: dict[str, Target] = {
            f"{API}/auth": AUTH,
            f"{API}/users": AUTH,
            f"{API}/tenant": AUTH,
            f"{API}/files": files,
            f"{API}/contacts": CONVERSATIONS,
            f"{API}/contacts/import": Target("conversations", most=IMPORT_BODY),
            f"{API}/conversations": CONVERSATIONS,
            f"{API}/notifications": CONVERSATIONS,
            f"{API}/channels": CONVERSATIONS,
            f"{API}/webhooks": CONVERSATIONS,
            f"{API}/events": REALTIME,
            f"{API}/campaigns": SCHEDULER,
            f"{API}/reminders": SCHEDULER,
            f"{API}/calls": SCHEDULER,
            f"{API}/schedule": SCHEDULER,
        }
        # Parts of the scheduler's things that conversations keeps: who got what, and how a call went.
        self._exceptions: Sequence[tuple[re.Pattern[str], Target]] = (
            (re.compile(rf"{API}/campaigns/[^/]+/deliveries"), CONVERSATIONS),
            (re.compile(rf"{API}/calls/[^/]+/events"), CONVERSATIONS),
        )

        self.find = lru_cache(maxsize=4096)(self._find)
        """The target of a path as it stood in the request line, without its query."""

    def _find(self, path: str) -> Target | None:
        if TWISTED.search(path):
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


def works_after_trial(method: str, path: str) -> bool:
    """Whether a request is let through once the trial is over: reading, signing in and out, extending the trial."""
    if method in SAFE_METHODS:
        return True
    if path == f"{API}/tenant":
        return True
    signing = (f"{API}/auth/logout", f"{API}/auth/login", f"{API}/auth/signup", f"{API}/auth/invites/accept")
    return path in signing or path.startswith((f"{API}/auth/sessions", f"{API}/webhooks/"))


def may_repeat(method: str, target: Target, has_key: bool) -> bool:
    """Whether a request may be sent again although it may have taken effect."""
    return method in IDEMPOTENT_METHODS or (method == "POST" and has_key and target.keyed)
