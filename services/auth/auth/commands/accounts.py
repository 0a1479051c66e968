"""Operator commands of auth: `bin/switchboard user create`, `import-users`."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from pydantic import EmailStr, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings

from auth.actions import sessions as actions
from auth.adapters.password_hashing import open_passwords
from auth.commands.legacy import import_users
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import open_database
from switchboard.runtime.refusals import Refusal
from switchboard.runtime.settings import Duration, PostgresUrl, load
from switchboard.runtime.unavailable import Unavailable

app = typer.Typer(no_args_is_help=True)
user = typer.Typer(no_args_is_help=True, help="Users and their tenants.")
app.add_typer(user, name="user")
app.command("import-users")(import_users)


class _Settings(BaseSettings):
    database_url: PostgresUrl
    trial_duration: Duration = timedelta(days=14)


@user.command()
def create(
    email: str,
    name: Annotated[str, typer.Option(help="The person's name.")] = "Owner",
    tenant: Annotated[str, typer.Option(help="The name of the new tenant that the user will own.")] = "New tenant",
    password: Annotated[
        str | None, typer.Option(help="Read from a prompt, or from standard input, when not given.")
    ] = None,
) -> None:
    """Create a tenant on trial with its owner."""
    try:
        TypeAdapter(EmailStr).validate_python(email)
    except ValidationError:
        _end(f"{email} is no email address")
    chosen = password or _asked_for()
    if len(chosen) < 8:
        _end("the password needs 8 characters or more")
    try:
        asyncio.run(_create(load(_Settings), email, name, tenant, chosen))
    except (Refusal, Unavailable) as reason:
        _end(str(reason))


async def _create(settings: _Settings, email: str, name: str, tenant_name: str, password: str) -> None:
    async with open_passwords() as passwords, open_database(settings.database_url, application="auth") as database:
        password_hash = await passwords.hash(password)
        async with open_work(database, tenant_id=None) as work:
            tenant, owner = await actions.sign_up(
                work,
                tenant_name=tenant_name,
                name=name,
                email=email,
                password_hash=password_hash,
                trial=settings.trial_duration,
                now=datetime.now(UTC),
            )
    typer.echo(f"user {owner.id} of tenant {tenant.id}")


def _asked_for() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


def _end(why: str) -> None:
    typer.echo(why, err=True)
    raise typer.Exit(1)
