"""Requests from one service to another."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest

from switchboard.contracts.auth import USER_PATH, UserUpdated
from switchboard.http.client import ServiceUnreachable, open_service_client
from switchboard.http.identity import Identity, Role
from switchboard.postgres.database import open_database
from switchboard.testing.app import identity_headers
from switchboard.testing.fake_service import FakeService, open_fake_service

ANNA = Identity(UUID(int=11), UUID(int=1), Role.AGENT, UUID(int=111))
STRANGER = Identity(UUID(int=21), UUID(int=2), Role.OWNER, UUID(int=211))
HER = UserUpdated(user_id=ANNA.user_id, email="a@b.example", name="Anna", role="agent", disabled=False)
PATH = USER_PATH.format(id=ANNA.user_id)
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
async def auth(database_url: Callable[[str], str]) -> AsyncIterator[FakeService]:
    async with (
        open_database(database_url("scheduler"), application="auth", size=1) as database,
        open_fake_service("auth", USER_PATH, callers="scheduler", database=database) as fake_service,
    ):
        fake_service.known[ANNA.tenant_id, ANNA.user_id] = HER
        yield fake_service


async def test_find_returns_what_the_caller_may_see(auth: FakeService) -> None:
    found = await auth.client.find(PATH, identity_headers(ANNA, "scheduler"))

    assert found is not None
    assert UserUpdated.model_validate_json(found) == HER
    assert await auth.client.find(PATH, identity_headers(STRANGER, "scheduler")) is None


@pytest.mark.parametrize("audience", ["auth", "files"])
async def test_an_internal_route_refuses_other_callers(auth: FakeService, audience: str) -> None:
    assert (await auth.client.request("GET", PATH, headers=identity_headers(ANNA, audience))).status == 401
    with pytest.raises(ServiceUnreachable, match="401"):
        await auth.client.find(PATH, identity_headers(ANNA, audience))
    assert (await auth.client.request("GET", PATH)).status == 401


async def test_an_instance_that_does_not_answer_is_skipped(auth: FakeService) -> None:
    identity_header = identity_headers(ANNA, "scheduler")
    url = str(auth.server.make_url("")).rstrip("/")

    async with open_service_client("auth", [UNREACHABLE, url, UNREACHABLE]) as client:
        assert [await client.find(PATH, identity_header) is not None for _ in range(6)] == [True] * 6


async def test_without_any_instance_the_service_is_unreachable() -> None:
    async with open_service_client("auth", [UNREACHABLE]) as client:
        with pytest.raises(ServiceUnreachable, match=r"no instance of auth answers \(http://127.0.0.1:9: "):
            await client.request("GET", "/livez")
