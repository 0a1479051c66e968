"""`deliveries …`: list and resolve uncertain deliveries."""

import asyncio
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from conversations.actions.uncertain_deliveries import Decision, resolve_delivery
from conversations.commands.context import context
from conversations.store import deliveries as store
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.terminal import Terminal

app = typer.Typer(no_args_is_help=True, help="Uncertain deliveries: those with an unknown outcome.")
console = Terminal()


class As(StrEnum):
    """The values of `--as`."""

    SENT = "sent"
    FAILED = "failed"
    RESEND = "resend"


@app.command("list")
def list_uncertain(
    tenant: Annotated[UUID | None, typer.Option(help="Only those of this tenant.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 100,
) -> None:
    """List deliveries with an unknown outcome, oldest first."""

    async def run(database: Database) -> list[store.Delivery]:
        async with database.connection() as conn:
            return await store.list_uncertain(conn, tenant, limit)

    table = Table("delivery", "tenant", "to", "campaign", "since", "reason")
    for row in context.with_database(run):
        campaign = str(row.campaign_id or "")
        table.add_row(
            str(row.id), str(row.tenant_id), row.contact_phone, campaign, f"{row.settled_at:%F %T}", row.reason
        )
    console.print(table)


@app.command()
def resolve(
    deliveries: Annotated[
        list[UUID], typer.Argument(help="Ids of deliveries, as `list` shows them.", show_default=False)
    ],
    as_: Annotated[
        As,
        typer.Option(
            "--as", help="The outcome to save. `resend` queues it again, and may send it twice.", show_default=False
        ),
    ],
) -> None:
    """Resolve uncertain deliveries. Deliveries that have been settled meanwhile are left unchanged."""
    decision = Decision(as_.value)

    async def run(database: Database) -> list[UUID]:
        return [one for one in deliveries if await _resolve(database, one, decision)]

    resolved = context.with_database(run)
    console.print(f"{len(resolved)} of {len(deliveries)} resolved as {as_.value}")
    raise typer.Exit(0 if len(resolved) == len(deliveries) else 1)


async def _resolve(database: Database, delivery_id: UUID, decision: Decision) -> bool:
    async with open_work(database, tenant_id=None) as work:
        resolved = await resolve_delivery(work, delivery_id, decision)
    await asyncio.sleep(0)  # lets the notification of the outbox relay go out
    return resolved
