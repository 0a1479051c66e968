"""The servers alone, quick rather than durable, for tests to make databases and virtual hosts on."""

import os
from pathlib import Path

from switchboard.local import orphans, probes
from switchboard.local.kept import announce, keep
from switchboard.local.place import Place
from switchboard.local.ports import Ports
from switchboard.local.secrets import Secrets
from switchboard.local.servers import Servers
from switchboard.local.supervisor import Supervisor


def keep_servers(directory: Path, until_exit_of: int | None = None) -> None:
    """Starts a set of servers, announces them in `directory`, and keeps them; see `kept.keep`."""
    place = Place(directory.resolve(), throwaway=True)
    place.create()
    servers = Servers(place, Ports.of(place.root), Secrets.of(place.secrets))
    supervisor = Supervisor.of(place, servers.ports, servers.secrets)
    try:
        supervisor.write(servers.prepare())
        supervisor.start(dict(os.environ))
        probes.wait_for(_waited_for(servers), within=90)
        announce(place, _addresses(servers))
        keep(place, lambda: end(place), until_exit_of)
    finally:
        end(place)


def end(place: Place) -> None:
    """At once: nobody needs this data any more."""
    orphans.end(place)


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
