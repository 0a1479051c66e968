"""Start and stop the whole product in one directory: servers, databases, two instances of every service."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from switchboard.local import monitoring, orphans, probes
from switchboard.local.environment import SERVER_SETTINGS, Environment, is_inherited, is_setting
from switchboard.local.ports import Ports, require_free
from switchboard.local.programs import Program, fingerprint
from switchboard.local.rabbitmq import schedulers_of
from switchboard.local.secrets import Secrets
from switchboard.local.servers import Servers
from switchboard.local.services import (
    BEHIND,
    BROKER_USERS,
    GATEWAY,
    INSTANCES,
    ServiceProcess,
    ServiceSpec,
    instance_name,
    users_of_teams,
)
from switchboard.local.stack_directory import REPOSITORY, StackDirectory, write_private
from switchboard.local.supervisor import Supervisor, running_pid

SERVERS_WITHIN = 60.0
READY_WITHIN = 60.0
DEVELOPMENT_TOOLS = {"cli", "client", "local", "testing"}  # packages of the library that no service imports
ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class Stack:
    """The servers and service processes of one stack directory."""

    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets
    servers: Servers
    environment: Environment
    supervisor: Supervisor

    @classmethod
    def at(cls, stack_dir: StackDirectory, given: Mapping[str, str], gateway_port: int | None = None) -> "Stack":
        """`given`: settings from the caller's environment. Gateways listen from `gateway_port` on, or on free ports."""
        stack_dir.create()
        ports, secrets = Ports.of(stack_dir.root), Secrets.of(stack_dir.secrets)
        if gateway_port is not None:
            for number in range(INSTANCES):
                ports.put(instance_name(GATEWAY, number + 1), gateway_port + number)
        external = {name: given[name] for name in SERVER_SETTINGS if given.get(name)}
        users = (*BROKER_USERS, *users_of_teams(given.get("BROKER_TEAMS", "")))
        servers = Servers(stack_dir, ports, secrets, users, external, schedulers_of(given.get("BROKER_SCHEDULERS", "")))
        passed = {name: value for name, value in given.items() if is_inherited(name) and value}
        environment = Environment(servers.addresses(), secrets, tuple(_instances(ports)), passed)
        return cls(stack_dir, ports, secrets, servers, environment, Supervisor.of(stack_dir, ports, secrets))

    @property
    def instances(self) -> tuple[ServiceProcess, ...]:
        return self.environment.instances

    @property
    def gateways(self) -> list[str]:
        return [instance.url for instance in self.instances if instance.service == GATEWAY]

    def up(self, report_progress: ReportProgress, *, servers_only: bool = False) -> None:
        """Start stopped processes and replace outdated ones. Returns before all are healthy.

        `servers_only`: stop the services, if they run.
        """
        with self._locked():
            if self.supervisor.pid is None:
                self._start_servers(report_progress)
            else:
                self._update_servers()
            probes.wait_for(self.servers.urls(), within=SERVERS_WITHIN)
            report_progress("preparing databases and the bucket")
            from switchboard.local.prepare import prepare  # takes a second to import: not for `status`

            prepare(self.environment)
            self.environment.write(self.stack_dir.env)
            for user in set(self.servers.users) - set(BROKER_USERS):
                write_private(self.stack_dir.env / f"{user}.env", f"AMQP_URL={self.servers.amqp_url_of(user)}\n")
            metrics = monitoring.configuration(self.instances, self.servers.broker_metrics_port)
            self.stack_dir.config("prometheus.yml").write_text(metrics)
            if servers_only:
                self.supervisor.stop({instance.name for instance in self.instances})
            else:
                self._start_services(report_progress)

    def down(self) -> None:
        with self._locked():
            self.supervisor.shut_down(last=_SERVER_PROGRAMS)

    def _start_servers(self, report_progress: ReportProgress) -> None:
        for instance in self.instances:
            if instance.service == GATEWAY:
                require_free(instance.port, "SWITCHBOARD_PORT")
        report_progress("starting the servers")
        self.supervisor.write([*self.servers.prepare(), *self._programs()])
        inherited = {name: value for name, value in os.environ.items() if not is_setting(name)}
        self.supervisor.start(inherited, preload=True)

    def _update_servers(self) -> None:
        self.supervisor.write([*self.servers.prepare(), *self._programs()])
        changes = self.supervisor.changes()
        self.supervisor.remove(changes.removed)
        self.supervisor.replace(changes.all & _SERVER_PROGRAMS)
        self.supervisor.start_programs(_SERVER_PROGRAMS)

    def _start_services(self, report_progress: ReportProgress) -> None:
        """Restart changed instances in turn, so that one instance of each service keeps running."""
        changes = self.supervisor.changes()
        for number in range(1, INSTANCES + 1):
            turn = {instance for instance in self.instances if instance.number == number}
            changed = {instance for instance in turn if instance.name in changes.all}
            for instance in changed:
                if instance.service == GATEWAY:
                    self._require_port(instance)
            if changed:
                report_progress("restarting " + ", ".join(sorted(instance.name for instance in changed)))
            self.supervisor.replace({instance.name for instance in changed})
            self.supervisor.start_programs(sorted(instance.name for instance in turn))
            if changed:
                probes.wait_for({i.name: f"{i.url}/readyz" for i in changed}, within=READY_WITHIN)

    def _require_port(self, instance: ServiceProcess) -> None:
        if not self.supervisor.runs(instance.name):
            require_free(instance.port, "SWITCHBOARD_PORT")

    def _programs(self) -> list[Program]:
        return [
            Program(
                instance.name,
                [sys.executable, "-m", instance.service.package],
                self.environment.of_instance(instance),
                settles_within=5,
                autostart=False,
                writes_own_log=True,
                build=build_of(instance.service),
            )
            for instance in self.instances
        ]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.stack_dir.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def recover(stack_dir: StackDirectory, report_progress: ReportProgress) -> None:
    """If no supervisor runs, end orphaned processes and replace ports that other programs use now."""
    if running_pid(stack_dir) is None:
        if orphans.end(stack_dir):
            report_progress("ended processes of an earlier run")
        Ports.of(stack_dir.root).repick_lost()


_SERVER_PROGRAMS = {"postgres", "epmd", "rabbitmq", "redis", "store"}


def _instances(ports: Ports) -> Iterator[ServiceProcess]:
    for service in (*BEHIND, GATEWAY):
        for number in range(1, INSTANCES + 1):
            yield ServiceProcess(service, number, ports.get(instance_name(service, number)))


@cache
def build_of(service: ServiceSpec) -> str:
    """Return a fingerprint of the code that the processes of a service run."""
    shared = REPOSITORY / "shared" / "switchboard"
    library = [folder for folder in shared.iterdir() if folder.name not in DEVELOPMENT_TOOLS]
    folders = [service.folder / service.package, *library]
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    return fingerprint(*(file.read_bytes() for file in [*files, REPOSITORY / "requirements" / "base.txt"]))
