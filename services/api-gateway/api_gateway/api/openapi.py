"""Joins the OpenAPI documents of all services and of the gateway's own routes into one."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import structlog

from api_gateway.proxy.routes import API, SAFE_METHODS
from api_gateway.upstreams.exchanges import ConnectionLost, RequestNotSent
from api_gateway.upstreams.upstreams import Upstream

FETCH_SECONDS = 2.0
CACHE_SECONDS = 10.0

Json = dict[str, Any]

log = structlog.get_logger(__name__)

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
HEALTH: Json = {
    "type": "object",
    "required": ["status", "timestamp", "instance", "uptime", "checks"],
    "properties": {
        "status": {"enum": ["ok", "degraded"]},
        "timestamp": {"type": "string", "format": "date-time"},
        "instance": {"type": "string"},
        "uptime": {"type": "number"},
        "checks": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


class OpenApi:
    """The joined document. A service that is unavailable keeps the part that was fetched last."""

    def __init__(self, upstreams: Mapping[str, Upstream], public_url: str) -> None:
        self._upstreams = upstreams
        self._public_url = public_url
        self._parts: dict[str, Json] = {}
        self._joined: Json = {}
        self._joined_at = float("-inf")

    async def document(self) -> Json:
        """The joined document, at most a few seconds old."""
        now = asyncio.get_running_loop().time()
        if now - self._joined_at > CACHE_SECONDS or len(self._parts) < len(self._upstreams):
            await asyncio.gather(*(self._fetch(name, upstream) for name, upstream in self._upstreams.items()))
            self._joined = self._join()
            self._joined_at = now
        return self._joined

    async def _fetch(self, name: str, upstream: Upstream) -> None:
        for instance in sorted(upstream.instances, key=lambda instance: instance.state != "ready"):
            try:
                status, body = await instance.get(b"/internal/openapi.json", FETCH_SECONDS)
                if status == 200:
                    self._parts[name] = orjson.loads(body)
                    return
            except (RequestNotSent, ConnectionLost, TimeoutError, orjson.JSONDecodeError) as error:
                log.info("openapi_part_missing", upstream=name, reason=str(error))

    def _join(self) -> Json:
        paths: Json = dict(OWN_PATHS)
        schemas: Json = {"Health": HEALTH}
        for name in sorted(self._parts):
            part = self._parts[name]
            schemas |= part.get("components", {}).get("schemas", {})
            for path, operations in part.get("paths", {}).items():
                if path.startswith(API):
                    paths.setdefault(path, {}).update(
                        {method: _with_edge_responses(method, operation) for method, operation in operations.items()}
                    )
        return {
            "openapi": "3.1.0",
            "info": {"title": "Switchboard", "version": "1"},
            "servers": [{"url": "/"}, {"url": self._public_url}],
            "security": [{"bearer": []}, {"cookie": []}],
            "paths": dict(sorted(paths.items())),
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
                },
            },
        }


def _with_edge_responses(method: str, operation: Json) -> Json:
    """The operation with the responses that the gateway itself may send."""
    responses: Json = dict(operation.get("responses", {}))
    _add_response(responses, "400", "malformed")
    if "security" not in operation:
        _add_response(responses, "403", "tenant_suspended")
    _add_response(responses, "429", "too_many_requests")
    _add_response(responses, "503", "unavailable")
    if method.upper() not in SAFE_METHODS:
        _add_response(responses, "403", "cross_origin")
        _add_response(responses, "413", "too_large")
        if "security" not in operation:
            _add_response(responses, "402", "trial_expired")
    return {**operation, "responses": dict(sorted(responses.items()))}


def _add_response(responses: Json, status: str, code: str) -> None:
    documented = responses.get(status)
    if documented is None:
        responses[status] = {"description": f"`{code}`", "content": PROBLEM}
    elif f"`{code}`" not in documented.get("description", ""):
        responses[status] = {
            "content": PROBLEM,
            **documented,
            "description": f"{documented.get('description', '')} · `{code}`",
        }


def _own(summary: str, answer: Json, *more: tuple[str, Json]) -> Json:
    responses = {"200": answer, **dict(more)}
    return {"get": {"tags": ["api-gateway"], "summary": summary, "security": [], "responses": responses}}


_HEALTHY: Json = {
    "description": "OK",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}},
}
_JSON: Json = {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}}}

OWN_PATHS: Json = {
    "/health": _own(
        "Health of every instance of every service", _HEALTHY, ("503", {**_HEALTHY, "description": "Degraded"})
    ),
    "/livez": _own("Liveness of this gateway", _JSON),
    "/readyz": _own("Readiness of this gateway", _JSON, ("503", {**_JSON, "description": "Not ready"})),
    "/openapi.json": _own("This document", _JSON),
    "/asyncapi.json": _own("Every event and command", _JSON),
}
