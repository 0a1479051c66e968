"""The configuration of a Prometheus for the stack: scrape targets and alert rules."""

import json
from collections.abc import Iterable
from typing import Any

from switchboard.local.rabbitmq import VHOST
from switchboard.local.services import ServiceProcess
from switchboard.local.stack_directory import REPOSITORY

ALERTS = REPOSITORY / "infra" / "monitoring" / "alerts.yml"
EVERY = "10s"
QUEUES = {"family": ["queue_coarse_metrics", "queue_consumer_count"], "vhost": [VHOST]}


def configuration(instances: Iterable[ServiceProcess], rabbitmq_port: int | None) -> str:
    """The text for `prometheus --config.file` (JSON, which is YAML). `rabbitmq_port` is None for an external broker."""
    jobs: list[dict[str, Any]] = [
        {
            "job_name": "switchboard",
            "static_configs": [
                {"targets": [f"127.0.0.1:{instance.port}"], "labels": {"service": instance.service.name}}
                for instance in instances
            ],
        }
    ]
    if rabbitmq_port is not None:
        targets = [{"targets": [f"127.0.0.1:{rabbitmq_port}"]}]
        jobs.append(
            {"job_name": "rabbitmq", "metrics_path": "/metrics/detailed", "params": QUEUES, "static_configs": targets}
        )
    return json.dumps(
        {
            "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY},
            "rule_files": [str(ALERTS)],
            "scrape_configs": jobs,
        },
        indent=1,
    )
