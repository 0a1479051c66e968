"""What runs, as one row for each process."""

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
    """One process. An external server has no pid here."""

    service: str
    instance: str
    pid: int | None
    port: int | None
    since: str | None  # RFC 3339
    healthy: bool
    trouble: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "trouble"}


def rows(stack: Stack) -> list[StatusRow]:
    """The servers first; asks all of them at once how they are."""
    processes = stack.supervisor.processes()
    addresses = stack.servers.addresses()
    asked = [(name, name, url) for name, url in addresses.items()]
    asked += [(i.service.name, i.name, f"{i.url}/readyz") for i in stack.instances]
    with ThreadPoolExecutor(len(asked)) as pool:
        troubles = pool.map(lambda one: probes.trouble(one[2]), asked)
        return [
            _row(service, name, url, processes.get(name), trouble)
            for (service, name, url), trouble in zip(asked, troubles, strict=True)
        ]


def _row(service: str, name: str, url: str, process: dict[str, Any] | None, trouble: str | None) -> StatusRow:
    port = urlsplit(url).port
    if process is None:
        return StatusRow(service, name, None, port, None, trouble is None, trouble)
    running = process["state"] in ALIVE
    since = datetime.fromtimestamp(process["start"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if running else None
    reason = trouble if running else f"{process['statename'].lower()} {process['description']}".strip()
    return StatusRow(service, name, process["pid"] or None, port, since, running and trouble is None, reason)
