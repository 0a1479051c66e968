"""`import-users`: imports the legacy platform's users, with their ids and password hashes."""

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

from auth.domain.oauth import OAuthAccountTaken
from auth.domain.users import EmailTaken
from auth.legacy.importing import import_user
from auth.legacy.rows import Row, UnreadableUser, field_of, read_rows, read_user
from auth.store import tenants
from switchboard.cli.context import CommandContext, fail
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import NotFound
from switchboard.runtime.terminal import Terminal

console = Terminal()


class _RollBack(Exception):
    """Rolls back the transaction of a dry run."""


@dataclass
class UserImportReport:
    """`ids`: old id to new. `rejected`: email address or row number, and the reason."""

    added: int = 0
    known: int = 0
    ids: dict[str, str] = field(default_factory=dict)
    rejected: list[tuple[str, str]] = field(default_factory=list)


def import_users(
    file: Annotated[
        Path,
        typer.Option(
            "--from", exists=True, dir_okay=False, help="The legacy platform's users: a JSON array, JSON lines, or CSV."
        ),
    ],
    tenant: Annotated[UUID, typer.Option(help="The tenant that gets the users; `user create` makes one.")],
    old_tenant: Annotated[str | None, typer.Option(help="Import only rows with this tenantId.")] = None,
    user_map: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write a map of old ids to new ones, for `migrate-conversations`."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything, write nothing.")] = False,
) -> None:
    """Import the legacy platform's users. They keep their passwords, which are rehashed at their next sign-in."""
    try:
        rows = [
            row for row in read_rows(file) if old_tenant is None or _text(row, "tenantId", "tenant_id") == old_tenant
        ]
        report = CommandContext("auth").with_database(lambda database: _import(database, tenant, rows, dry_run=dry_run))
    except (UnreadableUser, NotFound) as reason:
        fail(str(reason))
    if user_map is not None and not dry_run:
        user_map.write_bytes(orjson.dumps(report.ids, option=orjson.OPT_INDENT_2) + b"\n")
    _show(report, dry=dry_run)
    raise typer.Exit(1 if report.rejected else 0)


async def _import(database: Database, tenant: UUID, rows: Sequence[Row], *, dry_run: bool) -> UserImportReport:
    report = UserImportReport()
    async with database.connection() as conn:
        if await tenants.find(conn, tenant) is None:
            raise NotFound(f"there is no tenant {tenant}")
    with Progress(console=console) as progress:
        for number, row in progress.track(list(enumerate(rows, start=1)), description="Reading users"):
            try:
                await _import_row(database, tenant, row, report, dry_run=dry_run)
            except (UnreadableUser, EmailTaken, OAuthAccountTaken) as reason:
                report.rejected.append((_text(row, "email") or f"row {number}", str(reason)))
    return report


async def _import_row(database: Database, tenant: UUID, row: Row, report: UserImportReport, *, dry_run: bool) -> None:
    old = read_user(row)
    with suppress(_RollBack):
        async with open_work(database, tenant_id=tenant) as work:
            outcome, new_id = await import_user(work, old)
            report.added += outcome == "added"
            report.known += outcome == "known"
            report.ids[old.old_id] = str(new_id)
            if dry_run:
                raise _RollBack


def _text(row: Row, *names: str) -> str:
    return field_of(row, *names) if isinstance(row, Mapping) else ""


def _show(report: UserImportReport, *, dry: bool) -> None:
    would = "would be added" if dry else "added"
    console.print(f"{report.added} users {would}, {report.known} were there, {len(report.rejected)} left out")
    if report.rejected:
        table = Table("user", "reason", title="Left out", title_justify="left")
        for user, reason in report.rejected:
            table.add_row(user, reason)
        console.print(table)
