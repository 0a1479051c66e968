"""Operator commands of the gateway: `bin/switchboard …`."""

import typer

from api_gateway.commands import identity_keys

app = typer.Typer(no_args_is_help=True)
app.add_typer(identity_keys.app, name="identity-keys")
