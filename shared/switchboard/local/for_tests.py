"""Servers, and whole stacks, that tests hold on to: quick rather than durable."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from switchboard.local import orphans, probes
from switchboard.local.environment import SERVER_SETTINGS
from switchboard.local.health import wait_until_healthy
from switchboard.local.kept import announce, ended_by_signals, keep
from switchboard.local.place import Place
from switchboard.local.ports import Ports
from switchboard.local.secrets import Secrets
from switchboard.local.servers import Servers
from switchboard.local.stack import Stack
from switchboard.local.supervisor import Supervisor

SERVERS_WITHIN = 90.0
HEALTHY_WITHIN = 120.0


def keep_servers(directory: Path, until_exit_of: int | None = None) -> None:
    """Starts a set of servers, announces them in `directory`, and keeps them until told, or that process's exit."""
    with throwaway_place(directory) as place:
        servers = Servers(place, Ports.of(place.root), Secrets.of(place.secrets))
        supervisor = Supervisor.of(place, servers.ports, servers.secrets)
        supervisor.write(servers.prepare())
        supervisor.start(dict(os.environ))
        probes.wait_for(_waited_for(servers), within=SERVERS_WITHIN)
        announce(place, _addresses(servers))
        keep(until_exit_of)


def keep_stack(directory: Path, until_exit_of: int | None = None) -> None:
    """The same with the services on them, told the settings of our own environment.

    A sign-in provider called `mock` is set at a free port; nobody listens there until a test starts one.
    """
    with throwaway_place(directory) as place:
        provider = _sign_in_provider(place)
        stack = stack_for_tests(place)
        stack.up(_tell)
        wait_until_healthy(stack, within=HEALTHY_WITHIN)
        announce(place, _addresses(stack.servers) | {"gateways": stack.gateways, "sign_in_provider": provider})
        keep(until_exit_of)


def stack_for_tests(place: Place) -> Stack:
    """As it is started there: the same settings each time."""
    return Stack.at(place, _provider_settings(_sign_in_provider(place)) | _without_servers(os.environ))


@contextmanager
def throwaway_place(directory: Path) -> Iterator[Place]:
    """Nothing runs there before, and nothing is left there after."""
    place = Place(directory.resolve(), throwaway=True)
    with ended_by_signals():
        place.create()
        orphans.end(place)
        try:
            yield place
        finally:
            orphans.end(place)
            shutil.rmtree(place.root, ignore_errors=True)


def _without_servers(environment: os._Environ[str]) -> dict[str, str]:
    """A test's stack never works on a server that a developer has set for `make up`."""
    return {name: value for name, value in environment.items() if name not in SERVER_SETTINGS}


def _sign_in_provider(place: Place) -> str:
    return f"http://127.0.0.1:{Ports.of(place.root).get('sign-in-provider')}"


def _provider_settings(url: str) -> dict[str, str]:
    return {
        "OAUTH_MOCK_CLIENT_ID": "switchboard",
        "OAUTH_MOCK_CLIENT_SECRET": "not-secret",
        "OAUTH_MOCK_DISCOVERY_URL": f"{url}/.well-known/openid-configuration",
    }


def _tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _waited_for(servers: Servers) -> dict[str, str]:
    return servers.addresses() | {"rabbitmq-management": str(servers.rabbitmq.management_url)}


def _addresses(servers: Servers) -> dict[str, object]:
    return {
        "database_url": servers.database_url,
        "amqp_url": servers.amqp_url,
        "amqp_management_url": servers.rabbitmq.management_url,
        "redis_url": servers.redis_url,
        "store": servers.store_settings,
    }
