"""`import-users`: the original's users come in with their ids and passwords, once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import bcrypt
import pytest
from typer.testing import CliRunner, Result

from auth.actions import sessions as actions
from auth.actions.sessions import Origin, prove_password
from auth.adapters.password_hashing import open_passwords
from auth.commands.accounts import app
from auth.domain.users import InvalidCredentials, User
from auth.store import accounts as store
from switchboard.contracts.auth import UserCreated
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database, open_database
from switchboard.testing.app import published

T = TypeVar("T")
BOB = "0b7d4c7e-3c55-4f7f-9a75-1f0f6f6f0001"
PASSWORD = "hunter2 hunter2"


class Office:
    """A tenant of ours with its owner, and the command that brings users into it."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._url = database_url
        self._folder = folder
        self.tenant = self.run(self._sign_up)

    def run(self, work: Callable[[Database], Awaitable[T]]) -> T:
        async def with_database() -> T:
            async with open_database(self._url, application="auth") as database:
                return await work(database)

        return asyncio.run(with_database())

    async def _sign_up(self, database: Database) -> UUID:
        async with open_work(database, tenant_id=None) as work:
            tenant, _ = await actions.sign_up(
                work,
                tenant_name="Acme",
                name="Ann",
                email="ann@example.com",
                password_hash=None,
                trial=timedelta(days=1),
                now=datetime.now(UTC),
            )
        return tenant.id

    def bring_in(self, rows: list[Any] | str, *words: str) -> Result:
        file = self._folder / ("users.csv" if isinstance(rows, str) else "users.json")
        file.write_text(rows if isinstance(rows, str) else json.dumps(rows))
        given = ["import-users", "--from", str(file), "--tenant", str(self.tenant), *words]
        return CliRunner().invoke(app, given, env={"DATABASE_URL": self._url})

    def users(self) -> dict[str, User]:
        async def listed(database: Database) -> list[User]:
            async with database.connection() as conn:
                return await store.list_users(conn, self.tenant, None, 100)

        return {user.email: user for user in self.run(listed)}

    def log_in(self, email: str, password: str) -> None:
        async def prove(database: Database) -> None:
            async with open_passwords() as passwords:
                proven = await prove_password(database, passwords, email, password)
            async with open_work(database, tenant_id=self.tenant) as work:
                await actions.log_in(work, proven, timedelta(days=1), Origin(), datetime.now(UTC))

        self.run(prove)


@pytest.fixture
def office(database_url: Callable[[str], str], tmp_path: Path) -> Office:
    return Office(database_url("auth"), tmp_path)


def bob(**fields: Any) -> dict[str, Any]:
    known = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    return {"id": BOB, "email": "Bob@Example.com", "name": "Bob", "role": "USER", "password": known, **fields}


def test_users_keep_their_ids_and_sign_in_with_the_passwords_they_have(office: Office) -> None:
    result = office.bring_in([bob(phone="+1 415 555 0100", timezone="Europe/Berlin")])

    assert (result.exit_code, office.users()["bob@example.com"].id) == (0, UUID(BOB))
    added = office.users()["bob@example.com"]
    assert (added.role, added.notify_phone, added.time_zone) == ("agent", "+14155550100", "Europe/Berlin")
    with pytest.raises(InvalidCredentials):
        office.log_in("bob@example.com", "hunter3 hunter3")
    office.log_in("bob@example.com", PASSWORD)
    assert str(office.users()["bob@example.com"].password_hash).startswith("$argon2id$")
    office.log_in("bob@example.com", PASSWORD)
    told = office.run(lambda database: published(database, UserCreated.type))
    assert [message.model_dump()["email"] for message in told] == ["ann@example.com", "bob@example.com"]


def test_a_second_time_adds_nobody_and_leaves_everybody_as_they_are(office: Office, tmp_path: Path) -> None:
    office.bring_in([bob()])
    office.log_in("bob@example.com", PASSWORD)
    before = office.users()
    ids = tmp_path / "ids.json"

    result = office.bring_in([bob(name="Robert"), bob(id="7", email="ann@example.com")], "--user-map", str(ids))

    assert "0 users added, 2 were there" in result.output
    assert office.users() == before
    assert json.loads(ids.read_text()) == {BOB: BOB, "7": str(before["ann@example.com"].id)}


def test_who_can_not_be_brought_in_is_named_and_the_rest_goes_on(office: Office) -> None:
    rows = [
        bob(id=""),
        bob(email="nobody"),
        bob(role="wizard"),
        bob(password="plain"),
        "no row",
        bob(),
        bob(email="other@example.com"),
    ]

    result = office.bring_in(rows)

    assert result.exit_code == 1
    assert "1 users added, 0 were there, 6 left out" in result.output
    assert set(office.users()) == {"ann@example.com", "bob@example.com"}


def test_a_dry_run_writes_nothing(office: Office) -> None:
    result = office.bring_in([bob()], "--dry-run")

    assert "1 users would be added" in result.output
    assert set(office.users()) == {"ann@example.com"}


def test_ids_that_are_no_uuids_become_the_same_ones_each_time(office: Office, tmp_path: Path) -> None:
    ids = tmp_path / "ids.json"
    rows = "id,email,tenantId,isActive\n41,carl@example.com,1,t\n42,dora@example.com,1,f\n43,eve@example.com,2,t\n"

    for _ in range(2):
        assert office.bring_in(rows, "--old-tenant", "1", "--user-map", str(ids)).exit_code == 0

    users = office.users()
    assert json.loads(ids.read_text()) == {
        "41": str(users["carl@example.com"].id),
        "42": str(users["dora@example.com"].id),
    }
    assert (users["carl@example.com"].disabled, users["dora@example.com"].disabled) == (False, True)
    assert "eve@example.com" not in users


def test_a_tenant_that_is_not_there_is_named(office: Office) -> None:
    office.tenant = UUID(int=1)

    result = office.bring_in([bob()])

    assert (result.exit_code, str(UUID(int=1)) in result.output) == (1, True)
