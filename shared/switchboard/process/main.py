"""The entry point of a service's process: `python -m auth` calls `main`."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, TypeVar

import uvloop

from switchboard.process.listener import PortTaken
from switchboard.process.runner import App, ServiceRunner
from switchboard.runtime.logs import configure_logs
from switchboard.runtime.message_log import limit_lines
from switchboard.runtime.settings import ServiceSettings, load
from switchboard.runtime.tracing import tracing

__all__ = ["App", "main"]

S = TypeVar("S", bound=ServiceSettings)


def main(name: str, settings_class: type[S], open_app: Callable[[S], AbstractAsyncContextManager[App]]) -> NoReturn:
    """Run the service `name` until a signal or a crash, then exit. See `ServiceRunner`."""
    settings = load(settings_class)
    try:
        configure_logs(name, settings.app_instance_id, settings.log_level, settings.log_file)
    except OSError as error:
        sys.exit(f"cannot start: LOG_FILE {settings.log_file}: {error.strerror}")
    limit_lines(settings.log_lines_per_second)
    try:
        service = ServiceRunner(settings)
    except PortTaken as error:
        sys.exit(f"cannot start: {error}")  # on stderr, with exit code 1
    with (
        tracing(name, settings.app_instance_id, settings.otel_exporter_otlp_endpoint),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        code = runner.run(service.run(lambda: open_app(settings)))
    sys.exit(code)
