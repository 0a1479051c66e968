"""`import-users`: the original's users, with old ids and passwords' hashes kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from uuid import UUID

import orjson
import typer
from rich.progress import Progress
from rich.table import Table

from auth.domain.users import EmailTaken, OAuthAccountTaken
from auth.legacy.importing import import_user
from auth.legacy.rows import Row, Unreadable, rows_in, said, user_in
from auth.store import accounts as store
from switchboard.cli.context import CommandContext, fail
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import NotFound
from switchboard.runtime.terminal import Terminal

console = Terminal()


class _OnlyLooking(Exception):
    """Takes back what a dry run did."""


@dataclass
class Tally:
    added: int = 0
    known: int = 0
    ids: dict[str, str] = field(default_factory=dict)
    rejected: list[tuple[str, str]] = field(default_factory=list)


def import_users(
    file: Annotated[
        Path,
        typer.Option(
            "--from", exists=True, dir_okay=False, help="The original's users: a JSON array, JSON lines, or CSV."
        ),
    ],
    tenant: Annotated[UUID, typer.Option(help="Whose they become; `user create` makes it.")],
    old_tenant: Annotated[str | None, typer.Option(help="Only rows whose tenantId is this.")] = None,
    user_map: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write old ids to new here, as `migrate-conversations` takes them."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything, write nothing.")] = False,
) -> None:
    """Bring the original's users in. They sign in with the passwords they have, which are hashed anew as they do."""
    try:
        rows = [row for row in rows_in(file) if old_tenant is None or _said(row, "tenantId", "tenant_id") == old_tenant]
        tally = CommandContext("auth").with_database(lambda database: _import(database, tenant, rows, dry_run=dry_run))
    except (Unreadable, NotFound) as reason:
        fail(str(reason))
    if user_map is not None and not dry_run:
        user_map.write_bytes(orjson.dumps(tally.ids, option=orjson.OPT_INDENT_2) + b"\n")
    _show(tally, dry=dry_run)
    raise typer.Exit(1 if tally.rejected else 0)


async def _import(database: Database, tenant: UUID, rows: Sequence[Row], *, dry_run: bool) -> Tally:
    tally = Tally()
    async with database.connection() as conn:
        if await store.find_tenant(conn, tenant) is None:
            raise NotFound(f"there is no tenant {tenant}")
    with Progress(console=console) as progress:
        for number, row in progress.track(list(enumerate(rows, start=1)), description="Reading users"):
            try:
                await _bring_in(database, tenant, row, tally, dry_run=dry_run)
            except (Unreadable, EmailTaken, OAuthAccountTaken) as reason:
                tally.rejected.append((_said(row, "email") or f"row {number}", str(reason)))
    return tally


async def _bring_in(database: Database, tenant: UUID, row: Row, tally: Tally, *, dry_run: bool) -> None:
    old = user_in(row)
    with suppress(_OnlyLooking):
        async with open_work(database, tenant_id=tenant) as work:
            outcome, new_id = await import_user(work, old)
            tally.added += outcome == "added"
            tally.known += outcome == "known"
            tally.ids[old.old_id] = str(new_id)
            if dry_run:
                raise _OnlyLooking


def _said(row: Row, *names: str) -> str:
    return said(row, *names) if isinstance(row, Mapping) else ""


def _show(tally: Tally, *, dry: bool) -> None:
    would = "would be added" if dry else "added"
    console.print(f"{tally.added} users {would}, {tally.known} were there, {len(tally.rejected)} left out")
    if tally.rejected:
        table = Table("user", "reason", title="Left out", title_justify="left")
        for user, reason in tally.rejected:
            table.add_row(user, reason)
        console.print(table)
