"""`deliveries …`: outcomes that nobody knows, and what an operator decides about them."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from conversations.actions.uncertain_deliveries import Decision, resolve_delivery
from conversations.commands.context import with_database
from conversations.store import deliveries as store
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.terminal import Terminal

app = typer.Typer(no_args_is_help=True, help="What was sent, and what nobody knows whether it was.")
console = Terminal()


class Decided(StrEnum):
    SENT = "sent"
    FAILED = "failed"
    RESEND = "resend"


@app.command("list")
def list_uncertain(
    tenant: Annotated[UUID | None, typer.Option(help="Only this tenant's.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 100,
) -> None:
    """Deliveries whose outcome is unknown, oldest first."""

    async def run(database: Database) -> list[store.Delivery]:
        async with database.connection() as conn:
            return await store.list_uncertain(conn, tenant, limit)

    table = Table("delivery", "tenant", "to", "campaign", "since", "reason")
    for row in with_database(run):
        campaign = str(row.campaign_id or "")
        table.add_row(
            str(row.id), str(row.tenant_id), row.contact_phone, campaign, f"{row.settled_at:%F %T}", row.reason
        )
    console.print(table)


@app.command()
def resolve(
    deliveries: Annotated[list[UUID], typer.Argument(help="Their ids, as `list` shows them.", show_default=False)],
    as_: Annotated[Decided, typer.Option("--as", help="`resend` may send it twice.", show_default=False)],
) -> None:
    """Decide what became of uncertain deliveries. Those that are settled by now stay as they are."""
    decision = Decision(as_.value)

    async def run(database: Database) -> list[UUID]:
        return [one for one in deliveries if await _resolve(database, one, decision)]

    resolved = with_database(run)
    console.print(f"{len(resolved)} of {len(deliveries)} resolved as {as_.value}")
    raise typer.Exit(0 if len(resolved) == len(deliveries) else 1)


async def _resolve(database: Database, delivery_id: UUID, decision: Decision) -> bool:
    async with open_work(database, tenant_id=None) as work:
        done = await resolve_delivery(work, delivery_id, decision)
    await asyncio.sleep(0)  # let the relay's wake-up out
    return done
