"""Structured logs: one JSON object per line on stderr or in a file.

That holds for our own log lines and those of libraries, for warnings, and for the error that ends a process.

The ids of a request or a delivery are bound once, where it enters the process, with structlog's `bind_contextvars`.
Every line that it logs carries them. Bodies, tokens and passwords are never logged.
"""

import logging
import re
import sys
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from switchboard.runtime.log_file import LogFile
from switchboard.runtime.tracing import current_trace_id

SECRET_NAMES = re.compile(r"password|secret|token|cookie|authorization|credential|api_?key", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(rb"(://[^:/@\s\"]*:)[^@/\s\"]+@")
QUIET = {"aiormq": logging.ERROR, "aio_pika": logging.ERROR, "asyncio": logging.WARNING, "alembic": logging.WARNING}


def configure_logs(service: str, instance: str, level: str, file: Path | None = None) -> None:
    """Set up logging for this process. `file`: takes the place of stdout and stderr."""
    shared = _processors(service, instance)
    output: Any = sys.stderr.buffer if file is None else LogFile(file)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(file=output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared, _render_text],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_crash


def _log_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Log what ends the process, in place of a traceback as text."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        structlog.get_logger(__name__).critical("crashed", exc_info=(kind, error, traceback))


def _processors(service: str, instance: str) -> list[Processor]:
    def add_origin(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["instance"] = instance
        trace_id = current_trace_id()
        if trace_id is not None:
            event.setdefault("trace_id", trace_id)
        return event

    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_origin,
        structlog.processors.format_exc_info,
        hide_secrets,
    ]


def hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask values that are named like a secret."""
    for name in event:
        if _is_secret(name):
            event[name] = "***"
    return event


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return SECRET_NAMES.search(name) is not None


def render(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    """The log line as JSON, with passwords in URLs masked."""
    line = orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS)
    return PASSWORD_IN_URL.sub(rb"\1***@", line) if b"://" in line else line


def _render_text(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return render(logger, method, event).decode()
