"""One outage pages once: its alerts, as `promtool test rules` verifies them, are sent to a real Alertmanager."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from switchboard.local.stack_directory import REPOSITORY
from switchboard.testing import until
from switchboard.testing.network import answers, free_port

MONITORING = REPOSITORY / "infra" / "monitoring"

pytestmark = pytest.mark.skipif(shutil.which("prometheus-alertmanager") is None, reason="Alertmanager is not installed")


def alerts_of(case: str) -> list[dict[str, str]]:
    """The labels of all alerts that fire in a case of `alerts_test.yml`."""
    tests = yaml.safe_load((MONITORING / "alerts_test.yml").read_text())["tests"]
    [rules] = [test["alert_rule_test"] for test in tests if test["name"] == case]
    fired = [(rule["alertname"], alert["exp_labels"]) for rule in rules for alert in rule.get("exp_alerts", [])]
    return [{"alertname": name, **labels} for name, labels in fired]


class Receivers:
    """Takes the notifications of Alertmanager, as the pager and the tickets would."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, list[str]]] = []

    async def take(self, request: web.Request) -> web.Response:
        names = sorted({alert["labels"]["alertname"] for alert in (await request.json())["alerts"]})
        self.heard.append((request.path.strip("/"), names))
        return web.Response()


@asynccontextmanager
async def alertmanager(folder: Path, receivers: Receivers) -> AsyncIterator[str]:
    """Run Alertmanager with the example configuration, and yield its URL. It groups for a second, not for thirty."""
    app = web.Application()
    app.router.add_post("/{receiver}", receivers.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    example = (MONITORING / "alertmanager.yml").read_text()
    configuration = folder / "alertmanager.yml"
    configuration.write_text(re.sub(r"group_wait: \w+", "group_wait: 1s", example.replace(":9099", f":{port}")))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={configuration}", f"--storage.path={folder}", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus-alertmanager", *options, "--cluster.listen-address=", stdout=log, stderr=log
        )
    try:
        await until(lambda: answers(f"http://{address}/-/ready"))
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()
        await runner.cleanup()


@pytest.mark.parametrize("case", ["RabbitMQ is away", "Postgres is away"])
async def test_an_outage_pages_once_for_its_cause(case: str, tmp_path: Path) -> None:
    alerts, receivers = alerts_of(case), Receivers()
    assert len(alerts) >= 5
    async with alertmanager(tmp_path, receivers) as url, aiohttp.ClientSession() as http:
        body: list[dict[str, Any]] = [{"labels": labels} for labels in alerts]
        async with http.post(f"{url}/api/v2/alerts", json=body) as answer:
            assert answer.status == 200, await answer.text()

        async def suppressed() -> int:
            async with http.get(f"{url}/api/v2/alerts") as answer:
                return sum(alert["status"]["state"] == "suppressed" for alert in await answer.json())

        await until(lambda: ("pager", ["ServerDown"]) in receivers.heard, within=30)

        async def all_others_are_suppressed() -> bool:
            return await suppressed() == len(alerts) - 1

        await until(all_others_are_suppressed, within=30)
    assert receivers.heard == [("pager", ["ServerDown"])]


async def test_alerts_of_different_causes_page_each(tmp_path: Path) -> None:
    receivers = Receivers()
    down = {"alertname": "ServiceDown", "severity": "critical", "service": "files"}
    dead = {"alertname": "DeadLetters", "severity": "warning", "queue": "auth.events.dead"}
    late = {"alertname": "DeliveriesLate", "severity": "critical"}
    async with alertmanager(tmp_path, receivers) as url, aiohttp.ClientSession() as http:
        async with http.post(f"{url}/api/v2/alerts", json=[{"labels": one} for one in (down, dead, late)]) as answer:
            assert answer.status == 200

        await until(lambda: len(receivers.heard) == 3, within=30)

    assert sorted(receivers.heard) == [
        ("pager", ["DeliveriesLate"]),
        ("pager", ["ServiceDown"]),
        ("tickets", ["DeadLetters"]),
    ]
