"""What the alerts and the dashboard ask for is what the processes tell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import aiohttp
import pytest

from switchboard.local.place import REPOSITORY
from switchboard.testing.stack import RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

MONITORING = REPOSITORY / "infra" / "monitoring"
NOT_OURS = re.compile(r"up|rabbitmq_\w+")
NAME = re.compile(r"\b(?:up\b|[a-z]+_[a-z_]+)(?=\{| ==|\)|\[| >|$)")


def asked_for() -> set[str]:
    """Names of metrics in every expression."""
    dashboard = json.loads((MONITORING / "grafana" / "dashboards" / "switchboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = (MONITORING / "alerts.yml").read_text()
    expressions += [
        found.replace("\n", " ") for found in re.findall(r"expr: (.*?)\n        (?:for|labels):", rules, re.DOTALL)
    ]
    return {name for expression in expressions for name in NAME.findall(expression)}


async def told(stack: RunningStack) -> set[str]:
    names: set[str] = set()
    async with aiohttp.ClientSession() as http:
        for row in stack.instances():
            if row.instance.endswith("-1"):
                async with http.get(f"http://127.0.0.1:{row.port}/metrics") as answer:
                    assert answer.status == 200
                    names |= set(re.findall(r"^# TYPE (\w+) ", await answer.text(), re.MULTILINE))
    return names


async def test_every_metric_that_is_asked_for_is_told(stack: RunningStack) -> None:
    known = await told(stack)

    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked_for() if not NOT_OURS.fullmatch(name)}

    assert len(asked) >= 10
    assert asked - known == set()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
@pytest.mark.parametrize("words", [("rules", "alerts.yml"), ("config", "prometheus.yml")])
def test_prometheus_takes_the_configuration(words: tuple[str, str]) -> None:
    checked = subprocess.run(
        ["promtool", "check", words[0], str(MONITORING / words[1])], capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_is_explained() -> None:
    guide = (REPOSITORY / "docs" / "operating.md").read_text()

    alerts = re.findall(r"alert: (\w+)", (MONITORING / "alerts.yml").read_text())

    assert [name for name in alerts if f"**{name}**" not in guide] == []
