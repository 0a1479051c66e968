"""The start of every service's process: `__main__.py` is `main("conversations", Settings, open_app)`.

Exit codes: 0 after SIGTERM or SIGINT, 1 when something broke or the port is taken, 2 for settings that are
missing or malformed, with one line that says which.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, TypeVar

import uvloop

from switchboard.process.listener import PortTaken
from switchboard.process.runner import App, ServiceRunner
from switchboard.runtime.logs import configure_logs
from switchboard.runtime.settings import ServiceSettings, load
from switchboard.runtime.tracing import tracing

__all__ = ["App", "main"]

S = TypeVar("S", bound=ServiceSettings)


def main(name: str, settings_class: type[S], open_app: Callable[[S], AbstractAsyncContextManager[App]]) -> NoReturn:
    """Run the service `name` until it is told to end. See `life` for how it lives and drains."""
    settings = load(settings_class)
    configure_logs(name, settings.app_instance_id, settings.log_level)
    try:
        life = ServiceRunner(settings)
    except PortTaken as taken:
        sys.exit(f"cannot start: {taken}")  # on stderr, with exit code 1
    with (
        tracing(name, settings.app_instance_id, settings.otel_exporter_otlp_endpoint),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        code = runner.run(life.live(lambda: open_app(settings)))
    sys.exit(code)
