"""The alerts and the dashboard use metrics that the processes expose."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from switchboard.local.stack_directory import REPOSITORY, StackDirectory
from switchboard.testing import until
from switchboard.testing.network import answers, free_port
from switchboard.testing.stack import RunningStack

from .client import User

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

PHONE = "+14155550143"
MONITORING = REPOSITORY / "infra" / "monitoring"
SERVERS = 4  # without metrics, except for the broker
Ask = Callable[..., Awaitable[Any]]
NOT_OURS = re.compile(r"up|rabbitmq_\w+")
LABELS = re.compile(r"(by|on) \([\w, ]+\)")
NAME = re.compile(r"\b(?:up\b|[a-z]+_[a-z_]+)(?=\{| ==|\)|\[| >|$)")


def used_metrics() -> set[str]:
    """Return the names of the metrics in every expression."""
    dashboard = json.loads((MONITORING / "grafana" / "dashboards" / "switchboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = (MONITORING / "alerts.yml").read_text()
    expressions += [
        found.replace("\n", " ") for found in re.findall(r"expr: (.*?)\n        (?:for|labels):", rules, re.DOTALL)
    ]
    return {name for expression in expressions for name in NAME.findall(LABELS.sub("", expression))}


async def exposed_metrics(stack: RunningStack) -> set[str]:
    names: set[str] = set()
    async with aiohttp.ClientSession() as http:
        for row in stack.instances():
            if row.instance.endswith("-1"):
                async with http.get(f"http://127.0.0.1:{row.port}/metrics") as answer:
                    assert answer.status == 200
                    names |= set(re.findall(r"^# TYPE (\w+) ", await answer.text(), re.MULTILINE))
    return names


async def test_every_used_metric_is_exposed(stack: RunningStack) -> None:
    known = await exposed_metrics(stack)

    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in used_metrics() if not NOT_OURS.fullmatch(name)}

    assert len(asked) >= 10
    assert asked - known == set()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
@pytest.mark.parametrize(("kind", "file"), [("rules", "alerts.yml"), ("config", "prometheus.yml")])
def test_promtool_accepts_the_configuration(kind: str, file: str) -> None:
    checked = subprocess.run(["promtool", "check", kind, str(MONITORING / file)], capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
def test_alerts_fire_on_their_series_and_on_no_healthy_one() -> None:
    tried = subprocess.run(
        ["promtool", "test", "rules", str(MONITORING / "alerts_test.yml")], capture_output=True, text=True
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
async def test_prometheus_evaluates_every_alert_and_every_panel_shows_data(
    stack: RunningStack, tmp_path: Path, anna: User
) -> None:
    targets_in_all = len(stack.instances()) + 1 - SERVERS
    async with prometheus(stack, tmp_path) as ask:

        async def all_up() -> bool:
            targets = (await ask("targets"))["activeTargets"]
            assert {target["scrapeUrl"]: target["lastError"] for target in targets if target["health"] != "up"} == {}
            return len(targets) == targets_in_all

        async def all_evaluated() -> bool:
            rules = [rule for group in (await ask("rules"))["groups"] for rule in group["rules"]]
            return len(rules) > 10 and all(rule["health"] == "ok" for rule in rules)

        await until(all_up, within=60)
        await until(all_evaluated, within=60)
        queues = (await ask("query", query="sum by (queue) (rabbitmq_detailed_queue_messages)"))["result"]
        names = {queue["metric"]["queue"] for queue in queues}
        assert {"conversations.commands", "realtime.events.0", "realtime.events.dead"} <= names
        empty = set(panels())

        async def every_panel_shows_data() -> bool:
            await anna.insist("POST", f"/conversations/{PHONE}/messages", {"body": "Good morning"})
            await anna.upload("invoice.txt", b"To be paid")
            for expression in tuple(empty):
                if (await ask("query", query=expression))["result"]:
                    empty.discard(expression)
            return not empty

        try:
            await until(every_panel_shows_data, within=120)
        except TimeoutError:
            pytest.fail(f"without data: {sorted(empty)}")


@asynccontextmanager
async def prometheus(stack: RunningStack, folder: Path) -> AsyncIterator[Ask]:
    """Run Prometheus with the stack's configuration, and yield a function that queries its API."""
    assert stack.stack_dir is not None
    address = f"127.0.0.1:{free_port()}"
    configuration = StackDirectory(stack.stack_dir).config("prometheus.yml")
    options = [f"--config.file={configuration}", f"--storage.tsdb.path={folder}", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec("prometheus", *options, stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession() as http:

            async def ask(path: str, **query: str) -> Any:
                async with http.get(f"http://{address}/api/v1/{path}", params=query) as answer:
                    body = await answer.json()
                    assert body["status"] == "success", body
                    return body["data"]

            await until(lambda: answers(f"http://{address}/-/ready"))
            yield ask
    finally:
        process.terminate()
        await process.wait()


def panels() -> list[str]:
    """Return the dashboard's expressions, with a value for Grafana's interval variable."""
    dashboard = json.loads((MONITORING / "grafana" / "dashboards" / "switchboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return [expression.replace("$__rate_interval", "1m") for expression in expressions]


def test_every_alert_is_explained() -> None:
    guide = (REPOSITORY / "docs" / "operating.md").read_text()

    alerts = re.findall(r"alert: (\w+)", (MONITORING / "alerts.yml").read_text())

    assert [name for name in alerts if f"\n### {name}\n" not in guide] == []


def test_every_alert_leads_to_its_section_of_the_guide() -> None:
    rules = (MONITORING / "alerts.yml").read_text()

    alerts = re.findall(r"alert: (\w+)", rules)

    assert re.findall(r"runbook_url: (\S+)", rules) == [f"docs/operating.md#{name.lower()}" for name in alerts]


def test_every_alert_fires_in_a_case_and_none_on_a_healthy_stack() -> None:
    alerts = set(re.findall(r"alert: (\w+)", (MONITORING / "alerts.yml").read_text()))
    healthy, *cases = yaml.safe_load((MONITORING / "alerts_test.yml").read_text())["tests"]

    firing = {rule["alertname"] for case in cases for rule in case["alert_rule_test"] if rule.get("exp_alerts")}
    silent = {rule["alertname"] for rule in healthy["alert_rule_test"] if not rule.get("exp_alerts")}

    assert firing == alerts
    assert silent == alerts - {"CheckFailing"}  # one of the healthy stack's instances has lost a server
