"""`/health` of the gateway: every instance of every service with its own checks, unreachable instances included."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from api_gateway.upstreams.exchanges import ConnectionLost, RequestNotSent
from api_gateway.upstreams.upstreams import Instance, Upstream
from switchboard.runtime.health import Health

CHECK_SECONDS = 2.5  # an instance limits each of its own checks to 2


async def gateway_health(health: Health, upstreams: Mapping[str, Upstream]) -> tuple[bool, dict[str, Any]]:
    """Whether each service works; and the report, in the legacy platform's shape plus `services`.

    A service works while an instance is ready, and no check fails in all that are: each instance does the work of
    another that has lost, say, its consumers.
    """
    _, report = await health.report()
    names = list(upstreams)
    listed = await asyncio.gather(*(_instances(upstreams[name]) for name in names))
    services = dict(zip(names, listed, strict=True))
    for name, instances in services.items():
        report["checks"][name] = _service_check(instances)
    healthy = health.state == "ready" and all(report["checks"][name] == "ok" for name in names)
    report["status"] = "ok" if healthy else "degraded"
    report["services"] = services
    return healthy, report


def _service_check(instances: list[dict[str, Any]]) -> str:
    ready = [instance for instance in instances if instance["state"] == "ready"]
    if not ready:
        return "error: no instance is ready"
    failing = [_failing(instance) for instance in ready]
    everywhere = [f"{check}: {why}" for check, why in failing[0].items() if all(check in each for each in failing)]
    return f"error: {'; '.join(everywhere)}" if everywhere else "ok"


def _failing(instance: dict[str, Any]) -> dict[str, str]:
    """The failing checks of an instance, with their reasons."""
    checks = instance.get("checks") or {}
    return {name: str(result).removeprefix("error: ") for name, result in checks.items() if result != "ok"}


async def _instances(upstream: Upstream) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(_instance(instance) for instance in upstream.instances)))


async def _instance(instance: Instance) -> dict[str, Any]:
    found: dict[str, Any] = {"address": instance.address.label, "state": instance.state}
    try:
        _, body = await instance.get(b"/health", CHECK_SECONDS)
        report = orjson.loads(body)
        found |= {name: report.get(name) for name in ("instance", "status", "uptime", "checks")}
    except TimeoutError:
        found |= {"state": "hanging", "status": "error: no answer"}
    except (RequestNotSent, ConnectionLost, orjson.JSONDecodeError) as error:
        found |= {"state": "down", "status": f"error: {error}"}
    return found
