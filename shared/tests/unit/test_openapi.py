from functools import partial
from typing import Any
from uuid import UUID

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from switchboard.http import Body, Moment, Page, PageQuery, PlainRoute, ReadRoute, Request, WriteRoute
from switchboard.http.identity import Role
from switchboard.http.openapi import service_document
from switchboard.runtime.refusals import Conflict


class Gone(Conflict):
    """It is gone."""

    code = "gone"


class Size(Body):
    width: int


class NewThing(Body):
    name: str
    size: Size | None = None


class Thing(NewThing):
    id: UUID
    due: Moment


class ThingQuery(PageQuery):
    role: Role | None = None


async def create_thing(request: Request, work: object) -> Thing:
    """Add a thing.

    Not shown.
    """
    raise NotImplementedError


async def list_things(request: Request, conn: object) -> Page[Thing]:
    raise NotImplementedError


async def drop_thing(request: Request, work: object) -> None:
    raise NotImplementedError


async def hook(request: Request) -> None:
    raise NotImplementedError


ROUTES = [
    WriteRoute("POST", "/things", create_thing, body=NewThing, answer=Thing, creates=True, errors=(Gone,)),
    ReadRoute("GET", "/things", list_things, query=ThingQuery, answer=Page[Thing]),
    WriteRoute("DELETE", "/things/{id}", drop_thing, role=Role.ADMIN),
    PlainRoute("POST", "/hooks/{key}", hook, public=True, answers=(302,)),
    PlainRoute("GET", "/hidden", hook, hidden=True),
]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return service_document("demo", ROUTES)


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_the_document_has_every_route_except_hidden_ones(document: dict[str, Any]) -> None:
    shown = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}

    assert shown == {("POST", "/things"), ("GET", "/things"), ("DELETE", "/things/{id}"), ("POST", "/hooks/{key}")}


def test_a_creating_route_documents_its_body_answer_key_and_errors(document: dict[str, Any]) -> None:
    operation = document["paths"]["/things"]["post"]

    assert operation["summary"] == "Add a thing."
    assert operation["x-role"] == "agent"
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/demo.NewThing"
    }
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]
    assert set(operation["responses"]) == {"201", "400", "401", "409", "413", "415", "422", "500", "503"}
    assert operation["responses"]["409"]["description"] == "`gone` · `idempotency_conflict` · `in_progress`"


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]

    assert ids == ["demo.post_things", "demo.get_things", "demo.delete_things_id", "demo.post_hooks_key"]


def test_a_partial_handler_has_the_summary_of_its_function() -> None:
    async def show(bucket: object, request: Request) -> Thing:
        """Show a thing."""
        raise NotImplementedError

    document = service_document("demo", [PlainRoute("GET", "/api/v1/things", partial(show, object()), answer=Thing)])

    operation = document["paths"]["/api/v1/things"]["get"]
    assert (operation["operationId"], operation["summary"]) == ("demo.get_things", "Show a thing.")


def test_the_parameters_of_path_and_query_are_documented(document: dict[str, Any]) -> None:
    listed = document["paths"]["/things"]["get"]["parameters"]
    dropped = document["paths"]["/things/{id}"]["delete"]

    assert {parameter["name"]: parameter["in"] for parameter in listed} == {
        "limit": "query", "cursor": "query", "role": "query",
    }  # fmt: skip
    assert dropped["parameters"] == [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    assert {"204", "403", "404"} <= set(dropped["responses"])
    assert dropped["x-role"] == "admin"


def test_a_public_route_needs_no_identity(document: dict[str, Any]) -> None:
    operation = document["paths"]["/hooks/{key}"]["post"]

    assert operation["security"] == []
    assert "401" not in operation["responses"]
    assert "x-role" not in operation
    assert "302" in operation["responses"]


def test_names_of_components_begin_with_the_service(document: dict[str, Any]) -> None:
    names = set(document["components"]["schemas"])

    assert names >= {"demo.Thing", "demo.NewThing", "demo.Size", "demo.Role", "demo.Page_Thing_", "Problem"}
    assert all(name == "Problem" or name.startswith("demo.") for name in names)


def test_an_upload_has_its_body_in_the_document() -> None:
    async def take(_request: Request) -> None:
        """Take a file."""

    route = PlainRoute("POST", "/api/v1/things", take, uploads={"text/csv": {"type": "string"}})

    operation = service_document("demo", [route])["paths"]["/api/v1/things"]["post"]

    assert operation["requestBody"] == {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
