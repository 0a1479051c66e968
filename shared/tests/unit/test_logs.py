import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from switchboard.runtime.logs import configure_logs
from switchboard.runtime.tracing import continue_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Stderr(io.TextIOWrapper):
    def lines(self) -> list[dict[str, Any]]:
        self.flush()
        return [json.loads(line) for line in self.buffer.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stderr]:
    kept, level = structlog.get_config(), logging.getLogger().level
    handlers = logging.getLogger().handlers[:]
    stderr = Stderr(io.BytesIO(), write_through=True)
    monkeypatch.setattr("sys.stderr", stderr)
    configure_logs("demo", "demo-1", "info")
    yield stderr
    logging.captureWarnings(capture=False)
    sys.excepthook = sys.__excepthook__
    structlog.configure(**kept)
    logging.basicConfig(handlers=handlers, level=level, force=True)


def test_a_line_carries_service_instance_and_ids(stderr: Stderr) -> None:
    with bound_contextvars(request_id="r1", tenant_id="t1"), continue_trace(f"00-{TRACE}-b7ad6b7169203331-01"):
        structlog.get_logger().info("request", status=200)

    [line] = stderr.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request", "level": "info", "service": "demo", "instance": "demo-1",
        "request_id": "r1", "tenant_id": "t1", "trace_id": TRACE, "status": 200,
    }  # fmt: skip


def test_warnings_and_the_error_that_ends_the_process_are_logged_as_json(stderr: Stderr) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)  # the block has put back what shows them
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    try:
        raise RuntimeError("a bug")
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)

    warned, crashed = stderr.lines()
    assert "DeprecationWarning: old" in warned["event"]
    assert (crashed["event"], crashed["level"]) == ("crashed", "critical")
    assert "RuntimeError: a bug" in crashed["exception"]


def test_bound_ids_end_with_their_block(stderr: Stderr) -> None:
    with bound_contextvars(event_id="e1"):
        pass

    structlog.get_logger().info("later")

    assert "event_id" not in stderr.lines()[0]


def test_libraries_log_in_the_same_format(stderr: Stderr) -> None:
    try:
        raise RuntimeError("a bug")
    except RuntimeError:
        with bound_contextvars(request_id="r1"):
            logging.getLogger("some.library").exception("it broke: %s", "again")

    [line] = stderr.lines()
    assert (line["event"], line["level"], line["request_id"]) == ("it broke: again", "error", "r1")
    assert "RuntimeError: a bug" in line["exception"]


def test_secrets_are_masked(stderr: Stderr) -> None:
    structlog.get_logger().info(
        "login",
        password="hunter2",
        session_token="hunter2",
        Authorization="Bearer hunter2",
        url="amqp://anna:hunter2@rabbit/",
        email="anna@example.org",
    )

    [line] = stderr.lines()
    assert "hunter2" not in json.dumps(line)
    assert line["url"] == "amqp://anna:***@rabbit/"
    assert line["email"] == "anna@example.org"


def test_a_lower_level_is_not_logged(stderr: Stderr) -> None:
    structlog.get_logger().debug("detail")
    logging.getLogger("some.library").debug("detail")

    assert stderr.lines() == []
