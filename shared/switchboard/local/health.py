"""Wait until the whole stack is healthy, and report which part is not."""

import http.client
import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from switchboard.local.stack import Stack
from switchboard.local.status import rows


class NotHealthy(Exception):
    """The gateways did not report good health in time; the text names the failing processes and their logs."""


def wait_until_healthy(stack: Stack, within: float) -> None:
    deadline = time.monotonic() + within
    answers = {url: _health(url) for url in stack.gateways}
    while any(status != 200 for status, _ in answers.values()):
        if time.monotonic() > deadline:
            raise NotHealthy(_failure_report(stack, answers, within))
        time.sleep(0.2)
        answers = {url: _health(url) for url in stack.gateways}


def _health(gateway: str) -> tuple[int | None, dict[str, Any]]:
    parts = urlsplit(gateway)
    server = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    try:
        server.request("GET", "/health")
        answer = server.getresponse()
        return answer.status, dict(json.loads(answer.read()))
    except (OSError, ValueError, http.client.HTTPException):
        return None, {}
    finally:
        server.close()


def _failure_report(stack: Stack, answers: dict[str, tuple[int | None, dict[str, Any]]], within: float) -> str:
    faults = {row.instance: row.failure for row in rows(stack) if not row.healthy}
    if not faults:
        bad = {name: check for _, body in answers.values() for name, check in _checks(body).items() if check != "ok"}
        faults = bad or {url: f"answers {status}" for url, (status, _) in answers.items() if status != 200}
    lines = [f"not healthy within {within:.0f} s:"]
    lines += [f"  {name}: {failure}{_log_hint(stack.stack_dir.log(name))}" for name, failure in faults.items()]
    return "\n".join(lines)


def _checks(health: dict[str, Any]) -> dict[str, Any]:
    checks = health.get("checks")
    return checks if isinstance(checks, dict) else {}


def _log_hint(log: Path) -> str:
    return f" (see {os.path.relpath(log)})" if log.exists() else ""
