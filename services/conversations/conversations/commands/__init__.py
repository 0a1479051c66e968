"""Operator commands of conversations: `bin/switchboard …`."""

import typer

from conversations.commands import contacts, deliveries, legacy

app = typer.Typer(no_args_is_help=True)
legacy.register(app)
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(contacts.app, name="contacts")
