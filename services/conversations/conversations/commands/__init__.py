"""`bin/switchboard …`: what operators do with conversations."""

from __future__ import annotations

import typer

from conversations.commands import original

app = typer.Typer(no_args_is_help=True)
original.register(app)
