"""`bin/switchboard …`: what operators do with conversations."""

from __future__ import annotations

import typer

from conversations.commands import contacts, deliveries
from conversations.commands import legacy as original

app = typer.Typer(no_args_is_help=True)
original.register(app)
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(contacts.app, name="contacts")
