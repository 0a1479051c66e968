"""The OpenAPI and AsyncAPI documents, and their viewer."""

import json
import re
from typing import Any

from openapi_spec_validator import validate


async def test_the_openapi_document_is_valid_and_joins_all_services(stack: Any) -> None:
    gateway = await stack.gateway(await stack.auth())

    async with stack.client.get(f"{gateway}/openapi.json") as answer:
        document = await answer.json()

    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document["servers"][0] == {"url": "/"}  # the viewer's page may call no other address
    assert {"/api/v1/auth/login", "/api/v1/users/{id}", "/health"} <= set(document["paths"])
    assert not [path for path in document["paths"] if path.startswith("/internal")]
    login = document["paths"]["/api/v1/auth/login"]["post"]["responses"]
    assert {"200", "400", "401", "403", "413", "415", "422", "429", "500", "503"} <= set(login)


async def test_the_asyncapi_document_lists_events_and_commands(stack: Any) -> None:
    gateway = await stack.gateway()

    async with stack.client.get(f"{gateway}/asyncapi.json") as answer:
        document = await answer.json()

    assert document["asyncapi"] == "3.0.0"
    assert document["channels"]["user_created"]["address"] == "user.created.{tenant_id}.{slot}"
    for reference in re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(document)):
        found = document
        for part in reference.split("/"):
            found = found[part]


async def test_the_viewer_loads_nothing_from_other_hosts(stack: Any) -> None:
    gateway = await stack.gateway()

    async with stack.client.get(f"{gateway}/docs") as answer:
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]

    assert "script-src 'self'" in policy
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert path.startswith("/docs/")
        assert await stack.status("GET", gateway + path) == 200
