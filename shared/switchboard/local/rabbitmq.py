"""A private RabbitMQ: a private name service (epmd) and cookie, users and permissions from a definitions file."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from switchboard.local.environment import ADMIN
from switchboard.local.ports import Ports
from switchboard.local.programs import Program, fingerprint
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory, write_private

VHOST = "switchboard"

SCHEDULERS = 1  # a broker with one thread wakes no others, and carries more than one machine's services need
MOST_SCHEDULERS = 64


class InvalidSchedulers(ValueError):
    """`BROKER_SCHEDULERS` is no number of threads."""


@dataclass(frozen=True)
class RabbitMQ:
    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets
    users: tuple[str, ...] = ()  # one for each service
    schedulers: int = SCHEDULERS
    name: str = "rabbitmq"

    def url_of(self, user: str) -> str:
        return f"amqp://{user}:{self._password(user)}@127.0.0.1:{self.ports.get(self.name)}/{VHOST}"

    @property
    def management_url(self) -> str | None:
        """The management interface, for tests that create virtual hosts; None in a durable stack."""
        if not self.stack_dir.throwaway:
            return None
        return f"http://{ADMIN}:{self._password(ADMIN)}@127.0.0.1:{self.ports.get(f'{self.name}-management')}"

    @property
    def node_name(self) -> str:
        return f"{'switchboard' if self.name == 'rabbitmq' else self.name}@localhost"

    @property
    def metrics_port(self) -> int:
        return self.ports.get(f"{self.name}-metrics")

    def prepare(self, more: Sequence[str] = ()) -> None:
        """Write the node's files. `more`: lines of its configuration, which win over the others."""
        home = self.stack_dir.data(self.name)
        home.mkdir(exist_ok=True)
        cookie = home / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(self.secrets.password("erlang-cookie"))
        cookie.chmod(0o400)
        plugins = ["rabbitmq_prometheus", *(["rabbitmq_management"] if self.stack_dir.throwaway else [])]
        self.stack_dir.config("enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
        write_private(self.stack_dir.config("definitions.json"), self._definitions())
        self.stack_dir.config(f"{self.name}.conf").write_text(self._configuration(more))

    def name_service(self) -> Program:
        port = str(self.ports.get("epmd"))
        return Program("epmd", [_found("epmd"), "-port", port, "-address", "127.0.0.1"])

    def program(self) -> Program:
        home = self.stack_dir.data(self.name)
        environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "RUNNING_UNDER_SYSTEMD": "true",  # the shell scripts exec: the supervisor's child is the broker
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.ports.get("epmd")),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_DIST_PORT": str(self.ports.get(f"{self.name}-nodes")),
            "RABBITMQ_CONFIG_FILE": str(self.stack_dir.config(f"{self.name}.conf")),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.stack_dir.config("none")),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.stack_dir.config("enabled_plugins")),
            "RABBITMQ_MNESIA_BASE": str(home / "nodes"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-start_epmd false {self._erlang()}",
        }
        build = fingerprint(self._configuration(), self._definitions())
        return Program(self.name, [_server()], environment, stop_within=20, build=build)

    def _erlang(self) -> str:
        """Return the runtime's options. Idle threads sleep at once, since others use the cores."""
        threads = f"+S {self.schedulers}:{self.schedulers} +sbwt none +sbwtdcpu none +sbwtdio none"
        return f"{threads} -kernel inet_dist_use_interface {{127,0,0,1}}"

    def _definitions(self) -> str:
        from switchboard.local.broker_users import definitions  # slow: it imports all contracts

        passwords = {user: self._password(user) for user in (ADMIN, *self.users)}
        return json.dumps(definitions(passwords, VHOST, ADMIN), indent=1)

    def _configuration(self, more: Sequence[str] = ()) -> str:
        lines = [
            f"listeners.tcp.default = 127.0.0.1:{self.ports.get(self.name)}",
            f"load_definitions = {self.stack_dir.config('definitions.json')}",
            "loopback_users = none",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
            "vm_memory_high_watermark.absolute = 768MB",
            "disk_free_limit.absolute = 200MB",
            "heartbeat = 10",
            "collect_statistics_interval = 30000",
            "prometheus.tcp.ip = 127.0.0.1",
            f"prometheus.tcp.port = {self.metrics_port}",
        ]
        if self.stack_dir.throwaway:
            lines.append("management.tcp.ip = 127.0.0.1")
            lines.append(f"management.tcp.port = {self.ports.get(f'{self.name}-management')}")
        given = {line.partition(" ")[0] for line in more}
        kept = [line for line in lines if not (line.startswith("listeners.tcp") and "listeners.tcp" in given)]
        return "\n".join([*kept, *more]) + "\n"

    def _password(self, user: str) -> str:
        return self.secrets.password(f"rabbitmq-{user}")


def schedulers_of(text: str) -> int:
    """Return the number of the broker's scheduler threads in `BROKER_SCHEDULERS`. Raises `InvalidSchedulers`."""
    if not text:
        return SCHEDULERS
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SCHEDULERS:
        raise InvalidSchedulers(f"BROKER_SCHEDULERS must be a number from 1 to {MOST_SCHEDULERS}, not {text!r}")
    return int(text)


def _server() -> Path:
    """Find the broker's own script: Debian's wrapper in PATH changes the user and the directory."""
    packaged = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return packaged if packaged.exists() else _found("rabbitmq-server")


def _found(name: str) -> Path:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed")
    return Path(found)
