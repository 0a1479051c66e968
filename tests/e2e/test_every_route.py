"""Authorization of every route: without a session, with each role, with ids of other users and tenants."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from .client import User, member
from .resources import everything_of, in_hours, new_call, new_reminder
from .routes import GIVEN_IDS, TABLE, Access

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(240)]

API = "/api/v1"
RANKS = {"agent": 0, "admin": 1, "owner": 2}
ENDS_SESSIONS = {"POST /auth/logout", "DELETE /auth/sessions", "POST /auth/password"}

BODIES: dict[str, Any] = {
    "GET /schedule": {"from": in_hours(0), "to": in_hours(24)},
    "POST /calls": new_call(2),
    "POST /reminders": new_reminder(2),
    "POST /contacts": {"phone": "+14155550177"},
    "POST /conversations/{phone}/messages": {"body": "x"},
    "PATCH /calls/{id}": {"note": "x"},
    "PATCH /channels/{id}": {},
    "PATCH /contacts/{id}": {"name": "x"},
    "PATCH /reminders/{id}": {"note": "x"},
    "PATCH /users/{id}": {"name": "x"},
    "POST /reminders/{id}/snooze": {"until": in_hours(3)},
}


async def document(user: User) -> Any:
    async with user.http.get(f"{user.gateways[0]}/openapi.json") as answer:
        return await answer.json()


def operations(described: Any) -> dict[str, Any]:
    """Return the operations of the document by `METHOD /path`, without the API's prefix."""
    return {
        f"{method.upper()} {path.removeprefix(API)}": operation
        for path, methods in described["paths"].items()
        if path.startswith(API)
        for method, operation in methods.items()
    }


async def ask(user: User, route: str, id: str = "") -> int:
    """Send a request for this id, by default an unknown one, and return the status."""
    return (await answer_to(user, route, id))[0]


async def answer_to(user: User, route: str, id: str = "", given: dict[str, Any] | None = None) -> tuple[int, str]:
    """Send a request with `given` in its body or query, and return status and text."""
    method, path = route.split(" ")
    path = path.replace("{id}", id or str(uuid4())).replace("{phone}", "%2B14155550100")
    path = path.replace("{provider}", "google").replace("{endpoint_key}", "x")
    asked = {**BODIES.get(route, {}), **(given or {})}
    if method == "GET":
        return await user.ask_for_text(method, path, query=asked)
    return await user.ask_for_text(method, path, asked if asked or route in BODIES else None)


async def test_the_table_names_every_route_and_its_least_role(anna: User) -> None:
    described = {
        route: operation.get("x-role", "public") for route, operation in operations(await document(anna)).items()
    }

    assert described == {route: access.least for route, access in TABLE.items()}, "update routes.py"
    assert [route for route in TABLE if "{id}" in route and not TABLE[route].resource] == []


async def test_the_table_names_every_field_that_takes_an_id(anna: User) -> None:
    described = await document(anna)

    found = {route: set(fields) for route, o in operations(described).items() if (fields := id_fields(described, o))}

    assert found == {route: set(fields) for route, fields in GIVEN_IDS.items()}, "update routes.py"


async def test_only_public_routes_answer_without_a_session(anna: User) -> None:
    unknown = replace(anna, token="unknown")

    answers = {route: await ask(unknown, route) for route, access in TABLE.items() if access.least != "public"}

    assert {route: status for route, status in answers.items() if status != 401} == {}


async def test_each_route_refuses_exactly_the_roles_below_its_least_role(anna: User) -> None:
    agent, admin = [await member(anna, role) for role in ("agent", "admin")]
    wrong = {}

    for route, access in TABLE.items():
        if access.least == "public" or route in ENDS_SESSIONS:
            continue
        for rank, user in enumerate((agent, admin, anna)):
            status = await ask(user, route)
            if (status == 403) != (rank < RANKS[access.least]) or status in (401, 500):
                wrong[route, rank] = status

    assert wrong == {}


async def test_ids_of_invisible_resources_answer_404(anna: User, stranger: User) -> None:
    """Ids of another tenant, and of a colleague's private resources, answer 404; the owner's do not."""
    resources = await everything_of(anna)
    agent, admin = [await member(anna, role) for role in ("agent", "admin")]
    wrong = {}

    for route, access in TABLE.items():
        for role, user in {"stranger": stranger, "agent": agent, "admin": admin, "owner": anna}.items():
            if not access.resource or (role != "stranger" and not is_harmless(route, access, role)):
                continue
            status = await ask(user, route, resources[access.resource])
            if (status == 404) != (role not in seers(access)):
                wrong[route, role] = status

    assert wrong == {}


async def test_ids_in_requests_must_belong_to_the_same_tenant(anna: User, stranger: User) -> None:
    theirs, mine = await everything_of(anna), await everything_of(stranger)
    wrong = {}

    for route, fields in GIVEN_IDS.items():
        for field, resource in fields.items():
            own = mine.get(TABLE[route].resource, "")
            status, text = await answer_to(stranger, route, own, {field: naming(field, theirs[resource])})
            leaked = status not in (404, 422) and (
                not route.startswith("GET ") or any(one in text for one in theirs.values())
            )
            good, _ = await answer_to(stranger, route, own, {field: naming(field, mine[resource])})
            if leaked or good not in (200, 201):
                wrong[route, field] = status, good

    assert wrong == {}


def naming(field: str, id: str) -> Any:
    return id if field.endswith("_id") else [id]


def is_harmless(route: str, access: Access, role: str) -> bool:
    """Tell whether a colleague's request changes nothing that a later row needs: it reads, or is refused."""
    return role not in seers(access) or route.startswith("GET ")


def seers(access: Access) -> set[str]:
    """Return the roles that can see a resource of the tenant's owner."""
    return {
        "mine": {"owner"},
        "admins": {"owner", "admin"},
        "tenant": {"owner", "admin", "agent"},
    }[access.visible_to]


def id_fields(described: Any, operation: Any) -> list[str]:
    """List the fields of the body and the query that are ids or lists of ids."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        body = described["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    fields = dict(body.get("properties", {}))
    fields |= {p["name"]: p["schema"] for p in operation.get("parameters", []) if p["in"] == "query"}
    return [name for name, schema in fields.items() if "'format': 'uuid'" in str(schema)]
