"""`import-users`: users of the legacy platform are imported once, with their ids and passwords."""

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

from auth.actions.sign_in import log_in, verify_password
from auth.actions.sign_up import sign_up
from auth.adapters.password_hashing import open_password_hasher
from auth.commands.accounts import app
from auth.domain.sessions import InvalidCredentials, Origin
from auth.domain.users import User
from auth.store import users
from switchboard.contracts.auth import UserCreated
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database, open_database
from switchboard.testing.app import published

T = TypeVar("T")
BOB = "0b7d4c7e-3c55-4f7f-9a75-1f0f6f6f0001"
PASSWORD = "hunter2 hunter2"


class ImportTarget:
    """A tenant with its owner, and the command that imports users into it."""

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
            tenant, _ = await sign_up(
                work,
                tenant_name="Acme",
                name="Ann",
                email="ann@example.com",
                password_hash=None,
                trial=timedelta(days=1),
                now=datetime.now(UTC),
            )
        return tenant.id

    def import_users(self, rows: list[Any] | str, *words: str) -> Result:
        file = self._folder / ("users.csv" if isinstance(rows, str) else "users.json")
        file.write_text(rows if isinstance(rows, str) else json.dumps(rows))
        given = ["import-users", "--from", str(file), "--tenant", str(self.tenant), *words]
        return CliRunner().invoke(app, given, env={"DATABASE_URL": self._url})

    def users(self) -> dict[str, User]:
        async def listed(database: Database) -> list[User]:
            async with database.connection() as conn:
                return await users.list_of_tenant(conn, self.tenant, None, 100)

        return {user.email: user for user in self.run(listed)}

    def log_in(self, email: str, password: str) -> None:
        async def run(database: Database) -> None:
            async with open_password_hasher() as passwords:
                verified = await verify_password(database, passwords, email, password)
            async with open_work(database, tenant_id=self.tenant) as work:
                await log_in(work, verified, timedelta(days=1), Origin(), datetime.now(UTC))

        self.run(run)


@pytest.fixture
def target(database_url: Callable[[str], str], tmp_path: Path) -> ImportTarget:
    return ImportTarget(database_url("auth"), tmp_path)


def bob(**fields: Any) -> dict[str, Any]:
    known = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    return {"id": BOB, "email": "Bob@Example.com", "name": "Bob", "role": "USER", "password": known, **fields}


def test_imported_users_keep_their_ids_and_passwords(target: ImportTarget) -> None:
    result = target.import_users([bob(phone="+1 415 555 0100", timezone="Europe/Berlin")])

    assert (result.exit_code, target.users()["bob@example.com"].id) == (0, UUID(BOB))
    added = target.users()["bob@example.com"]
    assert (added.role, added.notify_phone, added.time_zone) == ("agent", "+14155550100", "Europe/Berlin")
    with pytest.raises(InvalidCredentials):
        target.log_in("bob@example.com", "hunter3 hunter3")
    target.log_in("bob@example.com", PASSWORD)
    assert str(target.users()["bob@example.com"].password_hash).startswith("$argon2id$")
    target.log_in("bob@example.com", PASSWORD)
    events = target.run(lambda database: published(database, UserCreated.type))
    assert [message.model_dump()["email"] for message in events] == ["ann@example.com", "bob@example.com"]


def test_a_second_import_adds_and_changes_no_users(target: ImportTarget, tmp_path: Path) -> None:
    target.import_users([bob()])
    target.log_in("bob@example.com", PASSWORD)
    before = target.users()
    ids = tmp_path / "ids.json"

    result = target.import_users([bob(name="Robert"), bob(id="7", email="ann@example.com")], "--user-map", str(ids))

    assert "0 users added, 2 were there" in result.output
    assert target.users() == before
    assert json.loads(ids.read_text()) == {BOB: BOB, "7": str(before["ann@example.com"].id)}


def test_unreadable_rows_are_reported_and_the_others_imported(target: ImportTarget) -> None:
    rows = [
        bob(id=""),
        bob(email="no address"),
        bob(role="wizard"),
        bob(password="plain"),
        "no row",
        bob(),
        bob(email="other@example.com"),
    ]

    result = target.import_users(rows)

    assert result.exit_code == 1
    assert "1 users added, 0 were there, 6 left out" in result.output
    assert set(target.users()) == {"ann@example.com", "bob@example.com"}


def test_a_dry_run_writes_nothing(target: ImportTarget) -> None:
    result = target.import_users([bob()], "--dry-run")

    assert "1 users would be added" in result.output
    assert set(target.users()) == {"ann@example.com"}


def test_ids_that_are_not_uuids_map_to_the_same_uuids_each_time(target: ImportTarget, tmp_path: Path) -> None:
    ids = tmp_path / "ids.json"
    rows = "id,email,tenantId,isActive\n41,carl@example.com,1,t\n42,dora@example.com,1,f\n43,eve@example.com,2,t\n"

    for _ in range(2):
        assert target.import_users(rows, "--old-tenant", "1", "--user-map", str(ids)).exit_code == 0

    users = target.users()
    assert json.loads(ids.read_text()) == {
        "41": str(users["carl@example.com"].id),
        "42": str(users["dora@example.com"].id),
    }
    assert (users["carl@example.com"].disabled, users["dora@example.com"].disabled) == (False, True)
    assert "eve@example.com" not in users


def test_an_unknown_tenant_is_reported(target: ImportTarget) -> None:
    target.tenant = UUID(int=1)

    result = target.import_users([bob()])

    assert (result.exit_code, str(UUID(int=1)) in result.output) == (1, True)
