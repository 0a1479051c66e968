"""`inbound …`: messages at the installation's own number that belong to no tenant."""

import typer
from rich.table import Table

from conversations.commands.context import context
from conversations.store.inbound import list_unassigned
from switchboard.postgres.database import Database
from switchboard.runtime.terminal import Terminal

app = typer.Typer(no_args_is_help=True, help="Inbound messages that belong to no tenant.")
console = Terminal()


@app.callback()
def commands() -> None:
    """Inbound messages that belong to no tenant."""


@app.command("list")
def list_() -> None:
    """List messages of senders whom no tenant has written to. Kept for 30 days."""
    table = Table("at", "provider", "from", "to", "text")

    async def run(database: Database) -> None:
        async with database.connection() as conn:
            for row in await list_unassigned(conn):
                table.add_row(
                    f"{row['at']:%Y-%m-%d %H:%M:%S}", row["provider"], row["sender"], row["recipient"], row["body"]
                )

    context.with_database(run)
    console.print(table)
    console.print(f"{table.row_count} messages")
