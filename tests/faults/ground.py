"""Where a fault run takes place: a stack of its own whose services reach every server through a proxy."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from switchboard.local import orphans
from switchboard.local.environment import Environment
from switchboard.local.health import wait_until_healthy
from switchboard.local.place import Place
from switchboard.local.ports import Ports
from switchboard.local.programs import Program
from switchboard.local.services import Service
from switchboard.local.stack import Stack
from switchboard.testing.proxy import Proxy, open_proxy
from switchboard.testing.stack import RunningStack

SERVERS = ("postgres", "rabbitmq", "redis", "store")
ADDRESSES = ("DATABASE_URL", "AMQP_URL", "REDIS_URL", "S3_ENDPOINT")
HEALTHY_WITHIN = 150.0


@dataclass(frozen=True)
class Ground:
    """`proxies`: by the server behind each; none where services talk to their servers directly."""

    stack: RunningStack
    proxies: Mapping[str, Proxy] = field(default_factory=dict)


@dataclass(frozen=True)
class BehindProxies(Environment):
    """The same settings, with the proxies' ports in the servers' addresses."""

    ports: Mapping[int, int] = field(default_factory=dict)

    def of_service(self, service: Service) -> dict[str, str]:
        return {name: self._moved(name, value) for name, value in super().of_service(service).items()}

    def _moved(self, name: str, value: str) -> str:
        port = urlsplit(value).port if name in ADDRESSES else None
        return value if port is None else value.replace(f":{port}", f":{self.ports[port]}")


@dataclass(frozen=True)
class FaultStack(Stack):
    """`sabotage`: the name of what goes wrong inside its services, to see that the counters tell."""

    sabotage: str = ""

    def _programs(self) -> list[Program]:
        programs = super()._programs()
        if not self.sabotage:
            return programs
        return [
            replace(
                program, command=[program.command[0], "-m", "tests.faults.sabotage", self.sabotage, *_package(program)]
            )
            for program in programs
        ]


def _package(program: Program) -> list[str]:
    return [str(program.command[-1])]


@asynccontextmanager
async def own_ground(directory: Path, *, sabotage: str = "") -> AsyncIterator[Ground]:
    """Made, used and removed; the load and the proxies run in this process."""
    place = Place(directory.resolve(), throwaway=True)
    place.create()
    orphans.end(place)
    ports = Ports.of(place.root)
    moved = {ports.get(name): ports.get(f"proxy-{name}") for name in SERVERS}
    stack = Stack.at(place, {})
    environment = BehindProxies(stack.servers, stack.secrets, stack.instances, stack.environment.given, ports=moved)
    stack = FaultStack(
        stack.place, stack.ports, stack.secrets, stack.servers, environment, stack.supervisor, sabotage=sabotage
    )
    async with AsyncExitStack() as opened:
        opened.callback(shutil.rmtree, place.root, ignore_errors=True)
        opened.callback(orphans.end, place)
        proxies = {
            name: await opened.enter_async_context(open_proxy(moved[ports.get(name)], ports.get(name)))
            for name in SERVERS
        }
        await asyncio.to_thread(stack.up, lambda _: None)
        await asyncio.to_thread(wait_until_healthy, stack, HEALTHY_WITHIN)
        yield Ground(RunningStack(stack.gateways, place.root), proxies)
