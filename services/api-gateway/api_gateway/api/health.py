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
    """Whether each service has a ready instance; and the report, in the legacy platform's shape plus `services`."""
    _, report = await health.report()
    names = list(upstreams)
    listed = await asyncio.gather(*(_instances(upstreams[name]) for name in names))
    services = dict(zip(names, listed, strict=True))
    for name, instances in services.items():
        ready = [instance for instance in instances if instance["state"] == "ready"]
        report["checks"][name] = "ok" if ready else "error: no instance is ready"
    healthy = health.state == "ready" and all(report["checks"][name] == "ok" for name in names)
    report["status"] = "ok" if healthy else "degraded"
    report["services"] = services
    return healthy, report


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
