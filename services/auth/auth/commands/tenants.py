"""`tenant …`: list and show tenants, extend their trials, suspend and resume them."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from rich.table import Table

from auth.actions.tenants import extend_trial, suspend_tenant
from auth.domain.tenants import Tenant
from auth.store import tenants as store
from auth.store.tenants import ListedTenant
from switchboard.cli.context import CommandContext, fail
from switchboard.http.parsing import in_utc
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import NotFound, Refusal
from switchboard.runtime.settings import parse_duration
from switchboard.runtime.terminal import Terminal

PAGE = 500

app = typer.Typer(no_args_is_help=True, help="Tenants: their trials, and whether they are suspended.")
context = CommandContext("auth")
console = Terminal()

TenantId = Annotated[UUID, typer.Argument(help="The id of the tenant, as `tenant list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for jq.")]


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List all tenants, oldest first."""

    async def read(database: Database) -> list[ListedTenant]:
        found: list[ListedTenant] = []
        async with database.connection() as conn:
            while page := await store.list_after(conn, found[-1].tenant.id if found else UUID(int=0), PAGE):
                found += page
        return found

    _print(context.with_database(read), json)


@app.command()
def show(tenant: TenantId, json: AsJson = False) -> None:
    """Show one tenant."""

    async def read(database: Database) -> list[ListedTenant]:
        async with database.connection() as conn:
            found = await store.list_after(conn, UUID(int=tenant.int - 1) if tenant.int else tenant, 1)
        return [each for each in found if each.tenant.id == tenant]

    _print(context.with_database(read) or fail(f"there is no tenant {tenant}"), json)


@app.command("extend-trial")
def extend(
    tenant: TenantId,
    until: Annotated[str | None, typer.Option(help="The new end, such as 2027-01-31T00:00:00Z.")] = None,
    by: Annotated[str | None, typer.Option(help="Longer by this time, such as 14d, from now or from its end.")] = None,
) -> None:
    """Let a trial end later. One that is over runs again."""
    if (until is None) == (by is None):
        fail("give one of --until and --by")

    async def run(work: Work) -> Tenant:
        now = datetime.now(UTC)
        return await extend_trial(work, await _new_end(work, tenant, until, by, now), now)

    changed = _change(tenant, run)
    assert changed.trial_ends_at is not None
    typer.echo(f"the trial of {changed.name} ({tenant}) ends at {changed.trial_ends_at.isoformat()}")


@app.command()
def suspend(tenant: TenantId) -> None:
    """Refuse all requests of a tenant, and send nothing of theirs, until it is resumed. Nothing is deleted."""
    changed = _change(tenant, lambda work: suspend_tenant(work, suspended=True))
    typer.echo(f"{changed.name} ({tenant}) is suspended")


@app.command()
def resume(tenant: TenantId) -> None:
    """Let a suspended tenant work again. What waited to be sent is sent, unless it comes too late."""
    changed = _change(tenant, lambda work: suspend_tenant(work, suspended=False))
    typer.echo(f"{changed.name} ({tenant}) is not suspended")


def _change(tenant: UUID, change: Callable[[Work], Awaitable[Tenant]]) -> Tenant:
    async def run(database: Database) -> Tenant:
        async with open_work(database, tenant_id=tenant) as work:
            return await change(work)

    try:
        return context.with_database(run)
    except NotFound:
        fail(f"there is no tenant {tenant}")
    except Refusal as refusal:
        fail("; ".join(f"{error['loc'][-1]} {error['msg']}" for error in refusal.errors) or str(refusal))


async def _new_end(work: Work, tenant: UUID, until: str | None, by: str | None, now: datetime) -> datetime:
    try:
        if until is not None:
            return in_utc(datetime.fromisoformat(until))
        longer = parse_duration(by or "")
    except ValueError as error:
        fail(f"{until or by}: {error}")
    assert isinstance(longer, timedelta)
    ends = (await store.lock(work.conn, tenant)).trial_ends_at
    return in_utc(max(now, ends or now) + longer)


def _print(found: list[ListedTenant], json: bool) -> None:
    now = datetime.now(UTC)
    if json:
        for each in found:
            shown: dict[str, Any] = asdict(each.tenant) | {"status": each.tenant.status_at(now)}
            more = {"created_at": each.created_at, "users": each.users}
            typer.echo(orjson.dumps({**{k: _plain(v) for k, v in shown.items()}, **more}))
        return
    table = Table("id", "name", "status", "trial ends", "suspended", "users", "since")
    for each in found:
        tenant, ends = each.tenant, each.tenant.trial_ends_at
        table.add_row(
            str(tenant.id),
            tenant.name,
            tenant.status_at(now),
            f"{ends:%Y-%m-%d %H:%M}Z" if ends else "",
            "yes" if tenant.suspended else "no",
            str(each.users),
            f"{each.created_at:%Y-%m-%d}",
        )
    console.print(table, markup=False)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | datetime) else str(value)
