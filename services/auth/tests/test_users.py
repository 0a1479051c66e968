"""Invitations and changes of users: a change holds on every gateway in the very next request."""

from __future__ import annotations

from .deployment import PASSWORD
from .office import AGENT_PASSWORD, Office


async def test_an_invitation_is_accepted_once(office: Office) -> None:
    _, invited = await office.invite("carol@example.com", "admin")

    first, accepted = await office.accept(invited["invite_token"])
    again, problem = await office.accept(invited["invite_token"])

    assert (first, accepted["user"]["role"], accepted["tenant"]["name"]) == (200, "admin", "Acme")
    assert (again, problem["code"]) == (400, "invite_invalid")


async def test_a_second_invitation_replaces_the_first(office: Office) -> None:
    _, first = await office.invite("carol@example.com", "agent")
    status, second = await office.invite("carol@example.com", "admin")

    assert (status, second["user"]["id"], second["user"]["role"]) == (201, first["user"]["id"], "admin")
    assert (await office.accept(first["invite_token"]))[0] == 400
    assert (await office.accept(second["invite_token"]))[1]["user"]["role"] == "admin"


async def test_inviting_another_tenants_user_answers_alike_and_does_nothing(office: Office) -> None:
    stranger = await office.sign_up("dora@example.com")

    status, invited = await office.invite("Dora@Example.com")

    assert (status, invited["user"]["email"]) == (201, "dora@example.com")
    assert (await office.accept(invited["invite_token"]))[0] == 400
    token = stranger["session"]["token"]
    assert (await office.request("GET", f"{office.second}/auth/me", token))[1]["tenant"] == stranger["tenant"]


async def test_a_role_change_holds_on_all_gateways_in_the_next_request(office: Office) -> None:
    user = f"{office.first}/users/{office.agent_id}"

    for role, status in (("admin", 200), ("agent", 403)) * 5:
        assert await office.status("PATCH", user, office.owner, role=role) == 200
        assert await office.status("GET", f"{office.first}/users", office.agent) == status
        assert await office.status("GET", f"{office.second}/users", office.agent) == status


async def test_a_disabled_user_loses_all_sessions_and_can_not_log_in(office: Office) -> None:
    user = f"{office.first}/users/{office.agent_id}"

    assert await office.status("PATCH", user, office.owner, disabled=True) == 200

    assert await office.status("GET", f"{office.second}/auth/me", office.agent) == 401
    login, body = f"{office.second}/auth/login", {"email": "bob@example.com", "password": AGENT_PASSWORD}
    assert await office.deployment.status("POST", login, json=body) == 401
    assert await office.status("PATCH", user, office.owner, disabled=False) == 200
    assert await office.deployment.status("POST", login, json=body) == 200


async def test_admins_can_not_change_the_owner(office: Office) -> None:
    _, invited = await office.invite("carol@example.com", "admin")
    admin = (await office.accept(invited["invite_token"]))[1]["session"]["token"]
    _, users = await office.request("GET", f"{office.first}/users", admin)
    owner = next(user["id"] for user in users["items"] if user["role"] == "owner")

    assert await office.status("PATCH", f"{office.first}/users/{owner}", admin, name="Mine") == 403
    assert await office.status("PATCH", f"{office.first}/users/{owner}", office.owner, role="agent") == 409
    assert await office.status("PATCH", f"{office.first}/tenant", admin, name="Mine") == 403


async def test_a_password_change_ends_all_other_sessions(office: Office) -> None:
    other = await office.log_in()
    change = f"{office.first}/auth/password"

    assert await office.status("POST", change, office.owner, current="wrong", new="long enough") == 401
    assert await office.status("POST", change, office.owner, current=PASSWORD, new="long enough") == 204

    assert await office.status("GET", f"{office.second}/auth/me", other) == 401
    assert await office.status("GET", f"{office.second}/auth/me", office.owner) == 200
    await office.log_in(password="long enough")
