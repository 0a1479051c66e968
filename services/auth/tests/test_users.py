"""Invitations and changes of users: a change holds on every gateway in the very next request."""

import threading

from .deployment import API, PASSWORD, Deployment
from .tenant import AGENT_PASSWORD, TenantClient


async def test_an_invitation_is_accepted_once(tenant: TenantClient) -> None:
    _, invited = await tenant.invite("carol@example.com", "admin")

    first, accepted = await tenant.accept(invited["invite_token"])
    again, problem = await tenant.accept(invited["invite_token"])

    assert (first, accepted["user"]["role"], accepted["tenant"]["name"]) == (200, "admin", "Acme")
    assert (again, problem["code"]) == (400, "invite_invalid")


async def test_an_unknown_invitation_costs_no_hash(deployment: Deployment) -> None:
    gateway = await deployment.gateway(await deployment.auth())
    before = _hashing_threads()

    body = {"token": "unknown", "password": PASSWORD}
    status, problem = await deployment.request("POST", f"{gateway}{API}/auth/invites/accept", body=body)

    assert (status, problem["code"]) == (400, "invite_invalid")
    assert _hashing_threads() <= before  # they start with the first password


def _hashing_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("passwords")}


async def test_a_second_invitation_replaces_the_first(tenant: TenantClient) -> None:
    _, first = await tenant.invite("carol@example.com", "agent")
    status, second = await tenant.invite("carol@example.com", "admin")

    assert (status, second["user"]["id"], second["user"]["role"]) == (201, first["user"]["id"], "admin")
    assert (await tenant.accept(first["invite_token"]))[0] == 400
    assert (await tenant.accept(second["invite_token"]))[1]["user"]["role"] == "admin"


async def test_inviting_another_tenants_user_answers_alike_and_does_nothing(tenant: TenantClient) -> None:
    stranger = await tenant.sign_up("dora@example.com")

    status, invited = await tenant.invite("Dora@Example.com")

    assert (status, invited["user"]["email"]) == (201, "dora@example.com")
    assert (await tenant.accept(invited["invite_token"]))[0] == 400
    token = stranger["session"]["token"]
    assert (await tenant.request("GET", f"{tenant.second}/auth/me", token))[1]["tenant"] == stranger["tenant"]


async def test_a_role_change_holds_on_all_gateways_in_the_next_request(tenant: TenantClient) -> None:
    user = f"{tenant.first}/users/{tenant.agent_id}"

    for role, status in (("admin", 200), ("agent", 403)) * 5:
        assert await tenant.status("PATCH", user, tenant.owner, role=role) == 200
        assert await tenant.status("GET", f"{tenant.first}/users", tenant.agent) == status
        assert await tenant.status("GET", f"{tenant.second}/users", tenant.agent) == status


async def test_a_disabled_user_loses_all_sessions_and_can_not_log_in(tenant: TenantClient) -> None:
    user = f"{tenant.first}/users/{tenant.agent_id}"

    assert await tenant.status("PATCH", user, tenant.owner, disabled=True) == 200

    assert await tenant.status("GET", f"{tenant.second}/auth/me", tenant.agent) == 401
    login, body = f"{tenant.second}/auth/login", {"email": "bob@example.com", "password": AGENT_PASSWORD}
    assert await tenant.deployment.status("POST", login, json=body) == 401
    assert await tenant.status("PATCH", user, tenant.owner, disabled=False) == 200
    assert await tenant.deployment.status("POST", login, json=body) == 200


async def test_admins_can_not_change_the_owner(tenant: TenantClient) -> None:
    _, invited = await tenant.invite("carol@example.com", "admin")
    admin = (await tenant.accept(invited["invite_token"]))[1]["session"]["token"]
    _, users = await tenant.request("GET", f"{tenant.first}/users", admin)
    owner = next(user["id"] for user in users["items"] if user["role"] == "owner")

    assert await tenant.status("PATCH", f"{tenant.first}/users/{owner}", admin, name="Mine") == 403
    assert await tenant.status("PATCH", f"{tenant.first}/users/{owner}", tenant.owner, role="agent") == 409
    assert await tenant.status("PATCH", f"{tenant.first}/tenant", admin, name="Mine") == 403


async def test_a_password_change_ends_all_other_sessions(tenant: TenantClient) -> None:
    other = await tenant.log_in()
    change = f"{tenant.first}/auth/password"

    assert await tenant.status("POST", change, tenant.owner, current="wrong", new="long enough") == 401
    assert await tenant.status("POST", change, tenant.owner, current=PASSWORD, new="long enough") == 204

    assert await tenant.status("GET", f"{tenant.second}/auth/me", other) == 401
    assert await tenant.status("GET", f"{tenant.second}/auth/me", tenant.owner) == 200
    await tenant.log_in(password="long enough")


async def test_a_time_zone_that_is_no_place_is_refused(tenant: TenantClient) -> None:
    for name in ("Factory", "localtime", "posixrules", "europe/berlin", "Mars/Olympus"):
        status, problem = await tenant.request("PATCH", f"{tenant.first}/auth/me", tenant.agent, time_zone=name)

        assert (status, problem["errors"][0]["loc"]) == (422, ["body", "time_zone"]), name
    assert await tenant.status("PATCH", f"{tenant.first}/auth/me", tenant.agent, time_zone="America/Winnipeg") == 200


async def test_who_is_merely_invited_can_sign_up(tenant: TenantClient) -> None:
    _, invited = await tenant.invite("erin@example.com")

    signed_up = await tenant.sign_up("Erin@example.com")
    late, problem = await tenant.accept(invited["invite_token"])

    assert signed_up["user"]["role"] == "owner"
    assert (late, problem["code"]) == (400, "invite_invalid")
    assert await tenant.log_in("erin@example.com")


async def test_lists_tell_nothing_about_other_tenants(tenant: TenantClient) -> None:
    await tenant.sign_up("dora@example.com")

    for email in ("dora@example.com", "fresh@example.com"):
        first = (await tenant.invite(email))[1]["user"]
        again = (await tenant.invite(email))[1]["user"]
        listed = (await tenant.request("GET", f"{tenant.first}/users", tenant.owner))[1]["items"]
        assert first["id"] == again["id"]
        assert [user for user in listed if user["email"] == email] == [again]


async def test_an_invited_user_is_of_one_tenant_alone(tenant: TenantClient) -> None:
    other = await tenant.sign_up("owner@other.example")
    _, ours = await tenant.invite("fay@example.com")
    status, theirs = await tenant.request(
        "POST", f"{tenant.first}/users", other["session"]["token"], email="fay@example.com", name="Fay", role="agent"
    )

    assert status == 201
    assert (await tenant.accept(theirs["invite_token"]))[0] == 200
    assert (await tenant.accept(ours["invite_token"]))[0] == 400
