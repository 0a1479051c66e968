"""A service's OpenAPI 3.1 document, made from its route table. The gateway merges those of all services.

Component names begin with the service (`conversations.Message`), except `Problem`, which all services share.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from switchboard.http.idempotency import HEADER, IdempotencyConflict, InProgress
from switchboard.http.identity import Role
from switchboard.http.problems import PROBLEM_JSON, InternalError
from switchboard.http.routing import PlainRoute, Route
from switchboard.runtime.refusals import (
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Refusal,
    ServiceUnavailable,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)

Json = dict[str, Any]

PROBLEM: Json = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "A stable code for programs."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg"],
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "msg": {"type": "string"},
                },
            },
        },
    },
}


def service_document(service: str, routes: Sequence[Route]) -> Json:
    """The OpenAPI document of one service. `x-role` is the minimum role of a route that is not public."""
    visible = [route for route in routes if not route.hidden]
    schemas = _Schemas(service)
    paths: dict[str, Json] = {}
    for route in visible:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(service, route, schemas)
    components = {"schemas": {**schemas.definitions, "Problem": PROBLEM}}
    return {"openapi": "3.1.0", "info": {"title": service, "version": "1"}, "paths": paths, "components": components}


class _Schemas:
    """Collects the component schemas of one service."""

    def __init__(self, service: str) -> None:
        self.definitions: Json = {}
        self._prefix = service

    def of(self, model: Any, mode: JsonSchemaMode) -> Json:
        template = f"#/components/schemas/{self._prefix}.{{model}}"
        schema = TypeAdapter(model).json_schema(by_alias=True, ref_template=template, mode=mode)
        for name, definition in schema.pop("$defs", {}).items():
            self.definitions[f"{self._prefix}.{name}"] = definition
        if isinstance(model, type) and issubclass(model, BaseModel) and "$ref" not in schema:
            name = re.sub(r"[^a-zA-Z0-9.\-_]", "_", model.__name__)
            self.definitions[f"{self._prefix}.{name}"] = schema
            return {"$ref": template.format(model=name)}
        return schema


def _operation(service: str, route: Route, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": f"{service}.{_operation_name(route)}",
        "tags": [service],
        "summary": route.summary,
        "responses": _responses(route, schemas),
    }
    if parameters := [*_path_parameters(route), *_query_parameters(route, schemas), *_key_parameter(route)]:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = schemas.of(route.body, "validation")
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if isinstance(route, PlainRoute) and route.uploads:
        content = {kind: {"schema": dict(schema)} for kind, schema in route.uploads.items()}
        operation["requestBody"] = {"required": True, "content": content}
    if route.public:
        operation["security"] = []
    else:
        operation["x-role"] = route.role.value
    return operation


def _operation_name(route: Route) -> str:
    """A unique name of the route: `post_things_id_close` for `POST /api/v1/things/{id}/close`."""
    path = re.sub(r"^/api/v\d+/", "/", re.sub(r":[^}]*}", "}", route.path))
    return "_".join([route.method.lower(), *re.findall(r"[A-Za-z0-9_.]+", path)])


def _path_parameters(route: Route) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{([a-z_]+)(?::[^}]*)?}", route.path)
    ]


def _query_parameters(route: Route, schemas: _Schemas) -> list[Json]:
    if route.query is None:
        return []
    schema = TypeAdapter(route.query).json_schema(ref_template="#/components/schemas/" + schemas._prefix + ".{model}")
    for name, definition in schema.get("$defs", {}).items():
        schemas.definitions[f"{schemas._prefix}.{name}"] = definition
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": of}
        for name, of in schema.get("properties", {}).items()
    ]


def _key_parameter(route: Route) -> list[Json]:
    if not route.creates:
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return [{"name": HEADER, "in": "header", "required": False, "schema": schema}]


def _responses(route: Route, schemas: _Schemas) -> Json:
    good: Json = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        good["content"] = {"application/json": {"schema": schemas.of(route.answer, "serialization")}}
    responses = {str(route.status): good}
    for status in route.answers if isinstance(route, PlainRoute) else ():
        responses.setdefault(str(status), {"description": HTTPStatus(status).phrase})
    refusals: dict[int, list[type[Refusal]]] = {}
    for refusal in _refusals(route):
        refusals.setdefault(refusal.status, []).append(refusal)
    for status, kinds in sorted(refusals.items()):
        responses[str(status)] = _problem_response(kinds)
    return responses


def _refusals(route: Route) -> list[type[Refusal]]:
    found: list[type[Refusal]] = [*route.errors, Invalid, ServiceUnavailable, InternalError]
    if not route.public:
        found.append(Unauthenticated)
    if route.role > Role.AGENT:
        found.append(Forbidden)
    if "{" in route.path:
        found.append(NotFound)
    if route.body is not None:
        found += [Malformed, TooLarge, UnsupportedMediaType]
    if route.creates:
        found += [InProgress, IdempotencyConflict]
    return list(dict.fromkeys(found))


def _problem_response(kinds: Sequence[type[Refusal]]) -> Json:
    codes = sorted({kind.code for kind in kinds})
    return {
        "description": " · ".join(f"`{code}`" for code in codes),
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
