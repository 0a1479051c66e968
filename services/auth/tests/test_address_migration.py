"""Addresses of the time before they had one spelling."""

import shutil
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from switchboard.postgres.migrations import migrate, scripts_of

TENANT = UUID(int=1)


async def test_addresses_get_one_spelling_and_clashes_are_told(
    empty_database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(shutil.copytree(scripts_of("auth"), tmp_path / "migrations"))
    for later in (file for file in before.glob("versions/*.py") if file.name >= "0005"):
        later.unlink()
    await migrate(before, empty_database_url)
    conn = await asyncpg.connect(empty_database_url)
    emails = [
        "a@xn--bcher-kva.example",
        "jose\u0301@example.com",
        "B@Example.com",
        "b@xn--bcher-kva.example",
        "b@bücher.example",
    ]
    try:
        await conn.execute("insert into tenants (id, name, status) values ($1, 'Acme', 'active')", TENANT)
        for n, email in enumerate(emails):
            await conn.execute(
                "insert into users (id, tenant_id, email, name, role) values ($1, $2, $3, 'x', 'agent')",
                UUID(int=n + 1),
                TENANT,
                email,
            )

        await migrate(scripts_of("auth"), empty_database_url)

        kept = [row["email"] for row in await conn.fetch("select email from users order by id")]
    finally:
        await conn.close()
    assert kept == [
        "a@bücher.example",
        "josé@example.com",
        "b@example.com",
        "b@xn--bcher-kva.example",
        "b@bücher.example",
    ]
    assert f"user {UUID(int=4)} keeps the address b@xn--bcher-kva.example" in capsys.readouterr().err
