"""Private servers and whole stacks for tests: fast rather than durable."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from switchboard.local import orphans, probes
from switchboard.local.environment import SERVER_SETTINGS
from switchboard.local.health import wait_until_healthy
from switchboard.local.keeper import announce, exit_on_signals, keep
from switchboard.local.ports import Ports
from switchboard.local.secrets import Secrets
from switchboard.local.servers import Servers
from switchboard.local.stack import Stack
from switchboard.local.stack_directory import StackDirectory
from switchboard.local.supervisor import Supervisor

SERVERS_WITHIN = 90.0
HEALTHY_WITHIN = 120.0


def keep_servers(directory: Path, until_exit_of: int | None = None) -> None:
    """Start a set of servers, announce them in `directory`, and keep them until a signal or that process's exit."""
    with throwaway_stack_dir(directory) as stack_dir:
        servers = Servers(stack_dir, Ports.of(stack_dir.root), Secrets.of(stack_dir.secrets))
        supervisor = Supervisor.of(stack_dir, servers.ports, servers.secrets)
        supervisor.write(servers.prepare())
        supervisor.start(dict(os.environ))
        probes.wait_for(_addresses_to_probe(servers), within=SERVERS_WITHIN)
        announce(stack_dir, _addresses(servers))
        keep(until_exit_of)


MANY_CLIENTS = {"SIGN_UPS_BY_ADDRESS": "100000", "FAILED_LOGINS_BY_ADDRESS": "100000"}
"""All users of a test sign up from one address."""


def keep_stack(directory: Path, until_exit_of: int | None = None) -> None:
    """Start a whole stack, with the caller's settings, and keep it the same way.

    A sign-in provider called `mock` is configured at a free port, where a test may start one.
    """
    with throwaway_stack_dir(directory) as stack_dir:
        provider = _sign_in_provider(stack_dir)
        stack = stack_for_tests(stack_dir)
        stack.up(_print_progress)
        wait_until_healthy(stack, within=HEALTHY_WITHIN)
        announce(stack_dir, _addresses(stack.servers) | {"gateways": stack.gateways, "sign_in_provider": provider})
        keep(until_exit_of)


def stack_for_tests(stack_dir: StackDirectory) -> Stack:
    """Return the stack of that directory, with the same settings each time."""
    settings = _provider_settings(_sign_in_provider(stack_dir)) | MANY_CLIENTS | _without_servers(os.environ)
    return Stack.at(stack_dir, settings)


@contextmanager
def throwaway_stack_dir(directory: Path) -> Iterator[StackDirectory]:
    """Create a stack directory; afterwards end its processes and remove it."""
    stack_dir = StackDirectory(directory.resolve(), throwaway=True)
    with exit_on_signals():
        stack_dir.create()
        orphans.end(stack_dir)
        try:
            yield stack_dir
        finally:
            orphans.end(stack_dir)
            shutil.rmtree(stack_dir.root, ignore_errors=True)


def _without_servers(environment: os._Environ[str]) -> dict[str, str]:
    """Drop the settings that name servers: a test never uses a developer's own server."""
    return {name: value for name, value in environment.items() if name not in SERVER_SETTINGS}


def _sign_in_provider(stack_dir: StackDirectory) -> str:
    return f"http://127.0.0.1:{Ports.of(stack_dir.root).get('sign-in-provider')}"


def _provider_settings(url: str) -> dict[str, str]:
    return {
        "OAUTH_MOCK_CLIENT_ID": "switchboard",
        "OAUTH_MOCK_CLIENT_SECRET": "not-secret",
        "OAUTH_MOCK_DISCOVERY_URL": f"{url}/.well-known/openid-configuration",
    }


def _print_progress(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _addresses_to_probe(servers: Servers) -> dict[str, str]:
    return servers.urls() | {"rabbitmq-management": str(servers.rabbitmq.management_url)}


def _addresses(servers: Servers) -> dict[str, object]:
    return {
        "database_url": servers.database_url,
        "amqp_url": servers.amqp_url_of(),
        "amqp_management_url": servers.rabbitmq.management_url,
        "redis_url": servers.redis_url,
        "store": servers.store_settings,
    }
