"""Every route of the document, none forgotten: without a session, with each role, with others' ids."""

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
    """What the document says of each `METHOD /path` under the API."""
    return {
        f"{method.upper()} {path.removeprefix(API)}": operation
        for path, methods in described["paths"].items()
        if path.startswith(API)
        for method, operation in methods.items()
    }


async def ask(user: User, route: str, id: str = "") -> int:
    """The status of a request for this id, by default one that doesn't exist."""
    return (await answer_to(user, route, id))[0]


async def answer_to(user: User, route: str, id: str = "", given: dict[str, Any] | None = None) -> tuple[int, str]:
    """With `given` in its body or query: status and text."""
    method, path = route.split(" ")
    path = path.replace("{id}", id or str(uuid4())).replace("{phone}", "%2B14155550100")
    path = path.replace("{provider}", "google").replace("{endpoint_key}", "x")
    asked = {**BODIES.get(route, {}), **(given or {})}
    if method == "GET":
        return await user.plainly(method, path, query=asked)
    return await user.plainly(method, path, asked if asked or route in BODIES else None)


async def test_the_table_names_every_route_and_its_least_role(anna: User) -> None:
    described = {
        route: operation.get("x-role", "public") for route, operation in operations(await document(anna)).items()
    }

    assert described == {route: access.least for route, access in TABLE.items()}, "say in routes.py what it is"
    assert [route for route in TABLE if "{id}" in route and not TABLE[route].thing] == []


async def test_the_table_names_every_field_that_takes_an_id(anna: User) -> None:
    described = await document(anna)

    found = {route: set(fields) for route, o in operations(described).items() if (fields := id_fields(described, o))}

    assert found == {route: set(fields) for route, fields in GIVEN_IDS.items()}, "say in routes.py what it names"


async def test_no_route_but_public_ones_answers_without_a_session(anna: User) -> None:
    unknown = replace(anna, token="unknown")

    answers = {route: await ask(unknown, route) for route, access in TABLE.items() if access.least != "public"}

    assert {route: status for route, status in answers.items() if status != 401} == {}


async def test_each_route_refuses_a_role_that_is_too_low_and_no_other(anna: User) -> None:
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


async def test_ids_of_others_name_nothing(anna: User, stranger: User) -> None:
    """Neither another tenant's, nor those of a colleague's that are theirs alone. The owner's own do."""
    things = await everything_of(anna)
    agent, admin = [await member(anna, role) for role in ("agent", "admin")]
    wrong = {}

    for route, access in TABLE.items():
        for who, user in {"stranger": stranger, "agent": agent, "admin": admin, "owner": anna}.items():
            if not access.thing or (who != "stranger" and not says_something(route, access, who)):
                continue
            status = await ask(user, route, things[access.thing])
            if (status == 404) != (who not in seers(access)):
                wrong[route, who] = status

    assert wrong == {}


async def test_an_id_that_a_request_gives_must_be_of_its_own_tenant(anna: User, stranger: User) -> None:
    theirs, mine = await everything_of(anna), await everything_of(stranger)
    wrong = {}

    for route, fields in GIVEN_IDS.items():
        for field, thing in fields.items():
            own = mine.get(TABLE[route].thing, "")
            status, text = await answer_to(stranger, route, own, {field: naming(field, theirs[thing])})
            described = status not in (404, 422) and (
                not route.startswith("GET ") or any(one in text for one in theirs.values())
            )
            good, _ = await answer_to(stranger, route, own, {field: naming(field, mine[thing])})
            if described or good not in (200, 201):
                wrong[route, field] = status, good

    assert wrong == {}


def naming(field: str, id: str) -> Any:
    return id if field.endswith("_id") else [id]


def says_something(route: str, access: Access, who: str) -> bool:
    """Colleagues change nothing here that a later row looks at: they read, or are refused."""
    return who not in seers(access) or route.startswith("GET ")


def seers(access: Access) -> set[str]:
    """Who finds a thing of the tenant's owner."""
    return {
        "mine": {"owner"},
        "admins": {"owner", "admin"},
        "tenant": {"owner", "admin", "agent"},
    }[access.seen]


def id_fields(described: Any, operation: Any) -> list[str]:
    """Fields of the body, and of the query, that are ids or lists of ids."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        body = described["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    fields = dict(body.get("properties", {}))
    fields |= {p["name"]: p["schema"] for p in operation.get("parameters", []) if p["in"] == "query"}
    return [name for name, schema in fields.items() if "'format': 'uuid'" in str(schema)]
