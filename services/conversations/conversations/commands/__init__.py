"""Operator commands of conversations: `bin/switchboard …`."""

import typer

from conversations.commands import contacts, deliveries, encryption_keys, inbound, legacy

app = typer.Typer(no_args_is_help=True)
legacy.register(app)
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(contacts.app, name="contacts")
app.add_typer(inbound.app, name="inbound")
app.add_typer(encryption_keys.app, name="encryption-keys")
