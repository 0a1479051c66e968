"""The status of a stack: one row for each process."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from switchboard.local import probes
from switchboard.local.stack import Stack
from switchboard.local.supervisor import ALIVE


@dataclass(frozen=True)
class StatusRow:
    """The status of one process. An external server has no pid."""

    service: str
    instance: str
    pid: int | None
    port: int | None
    since: str | None  # RFC 3339
    healthy: bool
    failure: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "failure"}


def rows(stack: Stack) -> list[StatusRow]:
    """Probe all servers and service processes at once; servers come first."""
    processes = stack.supervisor.processes()
    probed = [(name, name, url) for name, url in stack.servers.urls().items()]
    probed += [(i.service.name, i.name, f"{i.url}/readyz") for i in stack.instances]
    with ThreadPoolExecutor(len(probed)) as pool:
        failures = pool.map(lambda one: probes.failure(one[2]), probed)
        return [
            _row(service, name, url, processes.get(name), failure)
            for (service, name, url), failure in zip(probed, failures, strict=True)
        ]


def _row(service: str, name: str, url: str, process: dict[str, Any] | None, failure: str | None) -> StatusRow:
    port = urlsplit(url).port
    if process is None:
        return StatusRow(service, name, None, port, None, failure is None, failure)
    running = process["state"] in ALIVE
    since = datetime.fromtimestamp(process["start"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if running else None
    reason = failure if running else f"{process['statename'].lower()} {process['description']}".strip()
    return StatusRow(service, name, process["pid"] or None, port, since, running and failure is None, reason)
