"""The instances of one service: which is there, which is well, which one a request goes to."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import structlog

from api_gateway.upstreams.exchanges import Lost, NotSent
from api_gateway.upstreams.instances import Address, Instance
from switchboard.runtime.background import Stop

PROBE_EACH = 0.5  # seconds; services fail their readiness a second before they stop
PROBE_SECONDS = 1.0
HANGS_AFTER = 2  # probes without an answer
RESOLVE_EACH = 5.0

log = structlog.get_logger(__name__)


class Upstream:
    """A service by its URLs. A host name that has several addresses is as many instances."""

    def __init__(self, service: str, urls: Sequence[str]) -> None:
        self.service = service
        self._urls = [urlsplit(url) for url in urls]
        self._instances: dict[Address, Instance] = {}
        self._turn = 0
        self._suspicion = asyncio.Event()

    @property
    def instances(self) -> list[Instance]:
        return list(self._instances.values())

    def choose(self, tried: Iterable[Instance] = (), *, key: bytes | None = None) -> Instance | None:
        """The instance with the least to do among the best there are; by rendezvous hashing of `key`, if given.

        The ready ones first, else those that hang (if all do, the trouble may be ours), else those that say they are
        not ready: they answer for themselves. At last those that were down a moment ago: one may just be back, and
        one that isn't says so at once. None when all were tried.
        """
        left = [instance for instance in self._instances.values() if instance not in tried]
        for state in ("ready", "hanging", "unready", "down"):
            best = [instance for instance in left if instance.state == state]
            if not best:
                continue
            if key is not None:
                return max(best, key=lambda instance: _weight(key, instance.address.label))
            self._turn += 1
            offset = self._turn % len(best)
            return min(best[offset:] + best[:offset], key=lambda instance: instance.pending)
        return None

    def best(self) -> list[Instance]:
        """All instances, the ready ones first."""
        return sorted(self._instances.values(), key=lambda instance: instance.state != "ready")

    def suspect(self) -> None:
        """Something went wrong with an instance: look at all of them at once."""
        self._suspicion.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Resolve the instances; close their connections at the end of the block."""
        await self.resolve()
        try:
            yield
        finally:
            self.close()

    async def resolve(self) -> None:
        """Look the host names up (again): new addresses join, those that are gone take no new requests."""
        found: set[Address] = set()
        for url in self._urls:
            found |= set(await _addresses(url.hostname or "", url.port or 80))
        for address in found - self._instances.keys():
            self._instances[address] = Instance(address)
        if found:  # a name server that is away makes nobody disappear
            for address in self._instances.keys() - found:
                self._instances.pop(address).retire()

    async def watch(self, stop: Stop) -> None:
        """Probe every instance, twice a second and whenever one is suspected."""
        hung: dict[Address, int] = {}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._resolve_each(stop))
            while not stop.is_set():
                self._suspicion.clear()
                await asyncio.gather(*(self._probe(instance, hung) for instance in self.instances))
                await self._pause(stop)
        for instance in self.instances:
            instance.drop_idle()

    def close(self) -> None:
        for instance in self.instances:
            instance.close()

    async def _probe(self, instance: Instance, hung: dict[Address, int]) -> None:
        instance.drop_idle()
        before = instance.state
        try:
            status, _ = await instance.ask(b"/readyz", PROBE_SECONDS)
            instance.state = "ready" if status == 200 else "unready"
            hung[instance.address] = 0
        except TimeoutError:
            hung[instance.address] = hung.get(instance.address, 0) + 1
            if hung[instance.address] >= HANGS_AFTER:
                instance.state = "hanging"
                instance.give_up_waiting(f"{instance.address.label} hangs")
        except (NotSent, Lost):
            instance.state = "down"
        if instance.state != before:
            log.info("instance_" + instance.state, upstream=self.service, address=instance.address.label)

    async def _pause(self, stop: Stop) -> None:
        try:
            async with asyncio.timeout(PROBE_EACH):
                await self._suspicion.wait()
                await asyncio.sleep(0.02)  # a burst of failures is one suspicion
        except TimeoutError:
            pass

    async def _resolve_each(self, stop: Stop) -> None:
        if all(_is_literal(url.hostname or "") for url in self._urls):
            return
        while not await stop.sleep(RESOLVE_EACH):
            await self.resolve()


async def _addresses(host: str, port: int) -> list[Address]:
    if _is_literal(host):
        return [Address(host, port, f"{host}:{port}")]
    try:
        async with asyncio.timeout(RESOLVE_EACH):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as trouble:
        log.warning("host_name_unresolved", host=host, reason=str(trouble))
        return []
    return [Address(str(entry[4][0]), port, f"{entry[4][0]}:{port}") for entry in found]


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _weight(key: bytes, label: str) -> bytes:
    return hashlib.blake2b(key + b"@" + label.encode(), digest_size=8).digest()
