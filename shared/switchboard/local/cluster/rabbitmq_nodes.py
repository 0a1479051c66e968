"""RabbitMQ nodes on loopback that form one cluster. The first one is started before the others, which join it."""

from dataclasses import dataclass, replace

from switchboard.local.cluster.certificates import Certificates
from switchboard.local.ports import Ports
from switchboard.local.programs import Program, fingerprint
from switchboard.local.rabbitmq import VHOST, RabbitMQ
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory


@dataclass(frozen=True)
class RabbitMQNodes:
    """Nodes of a cluster. `tls`: certificates named `rabbitmq` and `client`, without which no client is accepted."""

    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets
    users: tuple[str, ...] = ()
    count: int = 3
    tls: Certificates | None = None

    @property
    def names(self) -> list[str]:
        return [f"rabbitmq-{number}" for number in range(1, self.count + 1)]

    def url_of(self, user: str) -> str:
        """The URL that names all nodes."""
        hosts = ",".join(f"127.0.0.1:{self.ports.get(name)}" for name in self.names)
        password = self.secrets.password(f"rabbitmq-{user}")
        if self.tls is None:
            return f"amqp://{user}:{password}@{hosts}/{VHOST}"
        files = (
            f"cafile={self.tls.authority}&certfile={self.tls.certificate('client')}&keyfile={self.tls.key('client')}"
        )
        return f"amqps://{user}:{password}@{hosts}/{VHOST}?{files}"

    def url_of_node(self, name: str, user: str) -> str:
        return replace(self._node(name)).url_of(user)

    def prepare(self) -> list[Program]:
        """Write the configuration of the nodes, and return the programs to run: the name service first."""
        nodes = [self._node(name) for name in self.names]
        for node in nodes:
            node.prepare(self._cluster_lines(node.name))
        return [nodes[0].name_service(), *(self._program(node) for node in nodes)]

    def _program(self, node: RabbitMQ) -> Program:
        program = node.program()
        return replace(program, build=fingerprint(program.build, *self._cluster_lines(node.name)))

    def _node(self, name: str) -> RabbitMQ:
        return RabbitMQ(self.stack_dir, self.ports, self.secrets, self.users, name=name)

    def _cluster_lines(self, name: str) -> list[str]:
        lines = ["cluster_partition_handling = pause_minority", "cluster_name = switchboard"]
        if self.count > 1:
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            lines += [
                f"cluster_formation.classic_config.nodes.{number} = {node}@localhost"
                for number, node in enumerate(self.names, 1)
            ]
        if self.tls is not None:
            lines += [
                "listeners.tcp = none",
                f"listeners.ssl.default = 127.0.0.1:{self.ports.get(name)}",
                f"ssl_options.cacertfile = {self.tls.authority}",
                f"ssl_options.certfile = {self.tls.certificate('rabbitmq')}",
                f"ssl_options.keyfile = {self.tls.key('rabbitmq')}",
                "ssl_options.verify = verify_peer",
                "ssl_options.fail_if_no_peer_cert = true",
            ]
        return lines
