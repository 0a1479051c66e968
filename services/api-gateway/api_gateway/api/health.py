"""The gateway's `/health`: every instance of every service, with its own checks, the dead ones too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from api_gateway.upstreams.exchanges import Lost, NotSent
from api_gateway.upstreams.instances import Instance
from api_gateway.upstreams.upstreams import Upstream
from switchboard.runtime.health import Health

ASK_SECONDS = 2.5  # an instance bounds each of its own checks by 2


async def whole_health(health: Health, upstreams: Mapping[str, Upstream]) -> tuple[bool, dict[str, Any]]:
    """Well while each service has a ready instance; and the report, in the original's shape with `services` added."""
    _, report = await health.report()
    names = list(upstreams)
    listed = await asyncio.gather(*(_instances(upstreams[name]) for name in names))
    services = dict(zip(names, listed, strict=True))
    for name, instances in services.items():
        ready = [instance for instance in instances if instance["state"] == "ready"]
        report["checks"][name] = "ok" if ready else "error: no instance is ready"
    well = health.state == "ready" and all(report["checks"][name] == "ok" for name in names)
    report["status"] = "ok" if well else "degraded"
    report["services"] = services
    return well, report


async def _instances(upstream: Upstream) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(_instance(instance) for instance in upstream.instances)))


async def _instance(instance: Instance) -> dict[str, Any]:
    found: dict[str, Any] = {"address": instance.address.label, "state": instance.state}
    try:
        _, body = await instance.ask(b"/health", ASK_SECONDS)
        said = orjson.loads(body)
        found |= {name: said.get(name) for name in ("instance", "status", "uptime", "checks")}
    except TimeoutError:
        found |= {"state": "hanging", "status": "error: no answer"}
    except (NotSent, Lost, orjson.JSONDecodeError) as trouble:
        found |= {"state": "down", "status": f"error: {trouble}"}
    return found
