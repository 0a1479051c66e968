"""The stack of a fault run, in which the services reach every server through a TCP proxy."""

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
from switchboard.local.ports import Ports
from switchboard.local.private_stacks import MANY_CLIENTS
from switchboard.local.programs import Program
from switchboard.local.services import ServiceSpec
from switchboard.local.stack import Stack
from switchboard.local.stack_directory import StackDirectory
from switchboard.testing.stack import RunningStack
from switchboard.testing.tcp_proxy import TcpProxy, open_proxy

SERVERS = ("postgres", "rabbitmq", "redis", "store")
ADDRESSES = ("DATABASE_URL", "AMQP_URL", "REDIS_URL", "S3_ENDPOINT")
HEALTHY_WITHIN = 150.0


@dataclass(frozen=True)
class FaultTestbed:
    """A stack, and its proxies by the name of the server; none if the services connect directly."""

    stack: RunningStack
    proxies: Mapping[str, TcpProxy] = field(default_factory=dict)


@dataclass(frozen=True)
class BehindProxies(Environment):
    """The settings of a stack, with the proxies' ports in the servers' addresses."""

    ports: Mapping[int, int] = field(default_factory=dict)

    def of_service(self, service: ServiceSpec) -> dict[str, str]:
        return {name: self._moved(name, value) for name, value in super().of_service(service).items()}

    def _moved(self, name: str, value: str) -> str:
        port = urlsplit(value).port if name in ADDRESSES else None
        return value if port is None else value.replace(f":{port}", f":{self.ports[port]}")


@dataclass(frozen=True)
class FaultStack(Stack):
    """A stack with services that run a `mutation`, a planted bug."""

    mutation: str = ""

    def _programs(self) -> list[Program]:
        programs = super()._programs()
        if not self.mutation:
            return programs
        return [
            replace(
                program, command=[program.command[0], "-m", "tests.faults.mutations", self.mutation, *_package(program)]
            )
            for program in programs
        ]


def _package(program: Program) -> list[str]:
    return [str(program.command[-1])]


@asynccontextmanager
async def private_testbed(directory: Path, *, mutation: str = "") -> AsyncIterator[FaultTestbed]:
    """Start a testbed, and remove it afterwards. The load and the proxies run in this process."""
    stack_dir = StackDirectory(directory.resolve(), throwaway=True)
    stack_dir.create()
    orphans.end(stack_dir)
    ports = Ports.of(stack_dir.root)
    moved = {ports.get(name): ports.get(f"proxy-{name}") for name in SERVERS}
    stack = Stack.at(stack_dir, MANY_CLIENTS)
    environment = BehindProxies(
        stack.servers.addresses(by_socket=False), stack.secrets, stack.instances, stack.environment.given, ports=moved
    )
    stack = FaultStack(
        stack.stack_dir, stack.ports, stack.secrets, stack.servers, environment, stack.supervisor, mutation=mutation
    )
    async with AsyncExitStack() as opened:
        opened.callback(shutil.rmtree, stack_dir.root, ignore_errors=True)
        opened.callback(orphans.end, stack_dir)
        proxies = {
            name: await opened.enter_async_context(open_proxy(moved[ports.get(name)], ports.get(name)))
            for name in SERVERS
        }
        await asyncio.to_thread(stack.up, lambda _: None)
        await asyncio.to_thread(wait_until_healthy, stack, HEALTHY_WITHIN)
        yield FaultTestbed(RunningStack(stack.gateways, stack_dir.root), proxies)
