"""What a Prometheus beside the stack needs to know: where everything tells its metrics, and which alerts there are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from switchboard.local.place import REPOSITORY
from switchboard.local.rabbitmq import VHOST
from switchboard.local.services import Instance

ALERTS = REPOSITORY / "infra" / "monitoring" / "alerts.yml"
EVERY = "10s"
QUEUES = {"family": ["queue_coarse_metrics", "queue_consumer_count"], "vhost": [VHOST]}


def configuration(instances: Iterable[Instance], rabbitmq_port: int | None) -> str:
    """For `prometheus --config.file`: YAML, of the kind that is JSON. `rabbitmq_port` is None for somebody else's."""
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
