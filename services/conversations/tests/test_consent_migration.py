"""Consent of the time before it was kept by number."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from switchboard.postgres.migrations import migrate, scripts_of

TENANT, USER = UUID(int=1), UUID(int=11)
STOPPED = datetime(2026, 5, 4, 12, tzinfo=UTC)
ADD_CONTACT = "insert into contacts (id, tenant_id, phone, created_at) values (uuid7(), $1, $2, $3)"


async def add_messages(conn: asyncpg.Connection, phone: str, *words: str) -> None:
    """Inbound messages, the first at `STOPPED`, the others an hour apart."""
    conversation = await conn.fetchval(
        "insert into conversations (id, tenant_id, user_id, contact_phone, created_at, updated_at)"
        " values (uuid7(), $1, $2, $3, $4, $4) returning id",
        TENANT,
        USER,
        phone,
        STOPPED,
    )
    for seq, word in enumerate(words, start=1):
        await conn.execute(
            "insert into messages (conversation_id, seq, id, tenant_id, direction, channel, body, status, created_at)"
            " values ($1, $2, uuid7(), $3, 'in', 'sms', $4, 'received', $5)",
            conversation,
            seq,
            TENANT,
            word,
            STOPPED + timedelta(hours=seq - 1),
        )


async def test_a_stop_is_found_again_where_the_contact_was_replaced(empty_database_url: str, tmp_path: Path) -> None:
    scripts = scripts_of("conversations")
    before = Path(shutil.copytree(scripts, tmp_path / "migrations"))
    for later in (file for file in before.glob("versions/*.py") if file.name >= "0005"):
        later.unlink()
    await migrate(before, empty_database_url)
    deleted, replaced, forgiven, started = (f"+1415555010{n}" for n in range(4))
    conn = await asyncpg.connect(empty_database_url)
    try:
        await add_messages(conn, deleted, "STOP")
        await add_messages(conn, replaced, "STOP")
        await conn.execute(ADD_CONTACT, TENANT, replaced, STOPPED + timedelta(days=1))
        await add_messages(conn, forgiven, "STOP")  # and a user opted the contact in again
        await conn.execute(ADD_CONTACT, TENANT, forgiven, STOPPED - timedelta(days=1))
        await add_messages(conn, started, "STOP", "START")
        await conn.execute(ADD_CONTACT, TENANT, started, STOPPED + timedelta(days=1))

        await migrate(scripts, empty_database_url)

        out = {row["phone"] for row in await conn.fetch("select phone from consents where opted_out")}
        shown = {row["phone"] for row in await conn.fetch("select phone from contacts where opted_out")}
        changes = await conn.fetch("select phone, source from consent_changes order by phone")
    finally:
        await conn.close()
    assert out == {deleted, replaced}
    assert shown == {replaced}
    assert [tuple(row) for row in changes] == [(deleted, "migration"), (replaced, "migration")]
